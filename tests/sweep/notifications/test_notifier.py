"""A sweep tells a real web server of its failures, of better recipes, and of its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_up_sweeps import write_state
from raycl.cluster.options import ClusterOptions
from raycl.errors import InputError
from raycl.plan.tree import Tree
from raycl.recipe.schema.search import Objective
from raycl.storage import Storage
from raycl.sweep.driver import SweepOutcome
from raycl.sweep.events import SweepEvent, node_label
from raycl.sweep.notifications.best import BestSoFar
from raycl.sweep.pipeline import sweep
from tests.helpers.outcomes import history, replayed
from tests.helpers.pipeline import Cluster, prepared_storage
from tests.helpers.recipe_data import defined
from tests.helpers.webhooks import Hook, web_hook

RATES = {"new.schedule.max_lr": ["1e-3", "2e-3"]}


class Telling(Cluster):
    """Tells events as the driver does."""

    interrupts = False

    def run_sweep(
        self, tree: Tree, storage: Storage, options: ClusterOptions, **arguments: Any
    ) -> SweepOutcome:
        outcome = super().run_sweep(tree, storage, options, **arguments)
        for number, node in enumerate(tree.nodes):
            if node.name in outcome.finished:
                write_state(node.training, storage, loss=4 - number / 4)
            event = SweepEvent("finished", node.name, node_label(node))
            if node.name in outcome.failed:
                reason = outcome.failed[node.name]
                event = SweepEvent("failed", node.name, node_label(node), reason=reason)
            arguments["on_event"](event)
        if self.interrupts:
            raise KeyboardInterrupt
        return outcome


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with web_hook() as hook:
        monkeypatch.setenv("HOOK", hook.url)
        yield hook


def notified(hook: Hook) -> list[dict[str, Any]]:
    return [message for _, message in hook.posted]


@pytest.mark.server
def test_a_sweep_is_told_from_its_first_best_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    Telling(monkeypatch)
    storage = prepared_storage(tmp_path)
    told: list[str] = []
    made = defined(sweep=RATES, notify={"url_variable": "HOOK"})
    sweep(made, storage, report=told.append)
    messages = notified(hook)
    kinds = [message["kind"] for message in messages]
    assert kinds == ["best", "best", "end"]
    first, second, end = messages
    assert first == {
        "text": "raycl, sweep small: best so far: max_lr 1e-3, average 3.7500",
        "sweep": "small",
        "kind": "best",
        "recipe": "max_lr 1e-3",
        "measure": "average",
        "value": 3.75,
    }
    assert (second["value"], second["previous_best"]) == (3.5, 3.75)
    assert second["text"].endswith("max_lr 2e-3, average 3.5000, before 3.7500")
    assert end["report"].endswith("sweeps/small/report.html")
    assert "it has ended. Best: max_lr 2e-3, average 3.5000. Results: " in end["text"]
    written = "".join(told) + (tmp_path / "sweeps/small/recipe.yaml").read_text()
    assert "SECRET" not in written + (tmp_path / "sweeps/small/report.html").read_text()
    hook.posted.clear()
    sweep(made, storage, report=told.append)  # nothing to train, nothing to tell
    assert hook.posted == []


@pytest.mark.server
def test_failures_and_what_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    cluster = Telling(monkeypatch)
    cluster.fails = {"new"}
    made = defined(sweep=RATES, notify={"url_variable": "HOOK", "events": ["failure"]})
    sweep(made, prepared_storage(tmp_path), report=lambda _: None)
    messages = notified(hook)
    assert [message["kind"] for message in messages] == ["failure", "failure"]
    assert messages[0]["reason"] == "it broke"
    assert messages[0]["text"].startswith("raycl, sweep small: new 20–40")


@pytest.mark.server
def test_a_stopped_sweep_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    Telling(monkeypatch).interrupts = True
    made = defined(notify={"url_variable": "HOOK", "events": ["end"]})
    with pytest.raises(KeyboardInterrupt):
        sweep(made, prepared_storage(tmp_path), report=lambda _: None)
    (message,) = notified(hook)
    assert message["reason"] == "it was stopped"


def test_a_variable_that_is_missing_ends_the_command_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    made = defined(notify={"url_variable": "HOOK"})
    with pytest.raises(InputError, match=r"notify\.url_variable HOOK"):
        sweep(made, Storage(tmp_path))


@pytest.mark.parametrize(
    "value",
    [
        "https://hooks.example/SECRET",
        {"url_variable": "hooks.example/SECRET"},
        {"url": "https://hooks.example/SECRET"},
    ],
)
def test_a_url_in_a_recipe_is_refused_and_not_repeated(value: Any) -> None:
    with pytest.raises(InputError, match=r"is a secret.*url_variable: SLACK_WEBHOOK") as raised:
        defined(notify=value)
    assert "SECRET" not in str(raised.value)


def better(label: str, german: float) -> Any:
    curves = history([9.0, 4.0, 4.0, 4.0, 4.0], [9.0, 7.0, 7.0, 7.0, german])
    return replayed(label, history=curves)


def test_only_what_is_better_and_within_bounds_is_told() -> None:
    best = BestSoFar(Objective(minimize=("german",), subject_to={"english": 4.5}))
    first = best.told(better("a", 5.0))
    assert first is not None
    assert (first.label, first.value, first.before) == ("a", 5.0, None)
    assert best.told(better("b", 5.0)) is None
    second = best.told(better("c", 4.0))
    assert second is not None
    assert (second.value, second.before) == (4.0, 5.0)
    bounded = BestSoFar(Objective(minimize=("german",), subject_to={"english": 3.5}))
    assert bounded.told(better("a", 5.0)) is None
    several = BestSoFar(Objective(minimize=("german", "english")))
    assert several.told(better("a", 5.0)) is None
