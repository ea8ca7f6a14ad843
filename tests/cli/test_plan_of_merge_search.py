"""What `raycl plan` says of a merge search."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.cli.main import main
from tests.helpers.workspace import SCHEDULE, make_workspace, recipe, write


def test_the_plan_tells_what_it_trains_and_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    stages = [
        {"name": "first", "mixture": "old", "steps": 4, "schedule": dict(SCHEDULE)},
        {
            "name": "both",
            "mixture": {"old": "50%", "new": "50%"},
            "steps": 5,
            "schedule": dict(SCHEDULE),
        },
    ]
    write(tmp_path, recipe(stages=stages, merge_search={"trials": 10}))
    with pytest.raises(SystemExit):
        main(["plan", str(tmp_path / "recipe.yaml")])
    out = " ".join(capsys.readouterr().out.split())
    assert "old alone" in out
    assert (
        "Merge search: 2 models of one corpus each, 5 steps together; 10 merges are measured on "
        "640 tokens in all, and the best one becomes a state" in out  # 2 corpora, 2 rows, 16 tokens
    )
