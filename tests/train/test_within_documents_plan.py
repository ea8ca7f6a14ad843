"""A plan refuses a model that cannot keep documents apart, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.cli.main import main
from tests.helpers.workspace import CONFIG, make_workspace, recipe, write

MAMBA = {"model_type": "mamba", "hidden_size": 16, "num_hidden_layers": 2, "state_size": 4}


def test_a_plan_tries_the_model_and_says_what_losses_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    qwen = {**CONFIG, "model_type": "qwen2"}
    write(tmp_path, recipe(model={"config": qwen}, documents="attend_within"))
    with pytest.raises(SystemExit, match="0"):
        main(["plan", "recipe.yaml"])
    assert "Attention and loss stop at the borders of documents" in capsys.readouterr().out
    write(tmp_path, recipe(model={"config": MAMBA}, documents="attend_within"))
    with pytest.raises(SystemExit, match="2"):
        main(["plan", "recipe.yaml"])
    assert "a small mamba model does not compute packed documents" in capsys.readouterr().err
