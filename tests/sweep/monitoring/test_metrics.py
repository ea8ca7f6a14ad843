"""Rates add up over nodes, and steps that were lost are counted once they begin again."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from raycl.storage import Storage
from raycl.storage.requests import REQUESTS
from raycl.sweep.frontier import Frontier
from raycl.sweep.monitoring import metrics
from raycl.sweep.monitoring.metrics import Throughput, node_counts
from tests.helpers import fakes
from tests.helpers.paths import ROOT


def report(step: int, own: int, rate: float = 800.0) -> dict[str, float]:
    return {"step": step, "optimizer_steps": own, "tokens": step * 16, "tokens_per_second": rate}


def test_steps_that_begin_again_are_wasted() -> None:
    found = Throughput()
    found.told("a", report(10, 10))
    found.told("a", report(30, 30))
    found.told("b", report(105, 5, rate=160.0))
    assert (found.trained, found.wasted) == (35, 0)
    assert (found.steps_per_second, found.tokens_per_second) == (60.0, 960.0)
    found.ended("a")
    assert found.tokens_per_second == 160.0
    found.told("a", report(25, 5))  # tried again from a state after 20 steps
    assert (found.trained, found.wasted) == (40, 10)
    found.told("a", report(28, 8))
    assert (found.trained, found.wasted) == (43, 10)
    found.told("a", {"step": 40})  # the end, found in storage
    assert found.trained == 43


def test_every_node_has_a_state() -> None:
    links = [("a", None, 1), ("b", "a", 1), ("c", "a", 1), ("d", "c", 1)]
    frontier = Frontier(fakes.make_tree(links).nodes, finished=["a"])
    (first, second) = (frontier.next(), frontier.next())
    assert first is not None
    assert second is not None
    frontier.fail("c", "no")
    assert node_counts(frontier) == {
        "waiting": 0, "running": 1, "finished": 1, "failed": 1, "skipped": 1,
    }  # fmt: skip


def test_requests_are_counted_by_kind(tmp_path: Path) -> None:
    storage, before = Storage(tmp_path), dict(REQUESTS)
    storage.write_json("states/a/state.json", {})
    storage.read_json("states/a/state.json")
    storage.exists("states/a")
    storage.list("states")
    storage.remove("states/a/state.json")
    assert {kind: REQUESTS[kind] - before.get(kind, 0) for kind in REQUESTS} == {
        "write": 1, "read": 1, "look": 1, "list": 1, "remove": 1,
    }  # fmt: skip


def test_the_dashboard_and_its_page_name_what_there_is() -> None:
    source = Path(metrics.__file__).read_text()
    made = set(re.findall(r'"(raycl_\w+)"', source))
    text = files("raycl.sweep.monitoring").joinpath("grafana.json").read_text()
    board = json.loads(text)
    asked = {
        name.removeprefix("ray_").removesuffix("_total")
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"ray_raycl_\w+", target["expr"])
    }
    assert asked == made
    page = (ROOT / "docs/monitoring.md").read_text()
    assert {name for name in made if f"ray_{name}" not in page} == set()


@pytest.mark.parametrize("command", ["grafana"])
def test_the_command_prints_the_dashboard(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from raycl.cli.main import main

    with pytest.raises(SystemExit) as ended:
        main([command])
    assert ended.value.code in (0, None)
    assert json.loads(capsys.readouterr().out)["title"] == "raycl"
