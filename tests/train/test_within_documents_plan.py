"""A plan refuses a model that cannot keep documents apart, before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.cli.main import main
from tests.helpers.workspace import CONFIG, make_workspace, recipe, write

MAMBA = {"model_type": "mamba", "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}


@pytest.mark.parametrize(
    ("config", "status"), [(CONFIG, 0), ({**CONFIG, "model_type": "qwen2"}, 0), (MAMBA, 2)]
)
def test_models_are_tried_by_the_plan(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    config: dict[str, Any],
    status: int,
) -> None:
    make_workspace(tmp_path)
    write(tmp_path, recipe(model={"config": config}, documents="attend_within"))
    monkeypatch.chdir(tmp_path)
    assert main(["plan", "recipe.yaml"]) == status
    told = capsys.readouterr()
    if status:
        assert "a small mamba model does not compute packed documents" in told.err
    else:
        assert "Attention and loss stop at the borders of documents" in told.out
