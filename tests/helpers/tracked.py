"""Runs and reports as a sweep's trackers get them, without a sweep."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from raycl.plan.tree import Node
from raycl.sweep.tracking.runs import RecipeFacts, Runs
from raycl.sweep.tracking.tracker import End, Run, Tracker
from raycl.sweep.trial import NODE
from tests.helpers.fakes import make_training

RUN = Run(
    name="german-100-200-replay-5pct.abcdef",
    state="german-200-abcdef0123",
    sweep="code",
    stage="german",
    first_step=100,
    last_step=200,
    recipes=("replay 5%",),
    fields={"german.replay": 0.05, "german.schedule": "rewarm"},
    parent="english-0-100-replay-5pct.123456",
    parent_state="english-100-123456789",
)
PARENT = replace(RUN, name=RUN.parent, state=RUN.parent_state, stage="english", parent_state="")


def nodes() -> list[Node]:
    """A node that two recipes share, and one below it of each."""
    whole = make_training(8)
    first = replace(whole, stop=4, stage="english")
    second = replace(whole, start=4, stage="german/new")
    return [
        Node("s-4-aaaaaaaaaa", None, first, ("replay 5%", "replay 25%")),
        Node("s-8-bbbbbbbbbb", "s-4-aaaaaaaaaa", second, ("replay 5%",)),
        Node("s-8-cccccccccc", "s-4-aaaaaaaaaa", second, ("replay 25%",)),
    ]


def runs() -> Runs:
    """The runs of these nodes, in a sweep over the replay of one stage and a rate."""
    facts = {
        label: RecipeFacts("code", label, {"german.replay": share, "max_lr": 1e-3})
        for label, share in (("replay 5%", 0.05), ("replay 25%", 0.25))
    }
    return Runs(nodes, lambda: facts)


def trial(node: str, **last_result: Any) -> Any:
    """As much of a Tune trial as a callback asks for."""
    return SimpleNamespace(config={NODE: node}, last_result=last_result)


class Heard(Tracker):
    """Keeps what it is told; `failing` calls raise first, and `gate` holds all of them up."""

    def __init__(self, failing: int = 0, gate: threading.Event | None = None) -> None:
        self.told: list[tuple[Any, ...]] = []
        self._failing, self._gate = failing, gate

    def begin(self, run: Run) -> None:
        """Keep the name of the run."""
        self._keep("begin", run.name)

    def log(self, run: Run, step: int, numbers: Mapping[str, float], at: float) -> None:
        """Keep the numbers."""
        assert at > 0
        self._keep("log", run.name, step, dict(numbers))

    def end(self, run: Run, how: End) -> None:
        """Keep the end."""
        self._keep("end", run.name, how)

    def close(self) -> None:
        """Keep that too."""
        self.told.append(("close",))

    def _keep(self, *told: Any) -> None:
        if self._gate is not None:
            self._gate.wait()
        if self._failing:
            self._failing -= 1
            raise ConnectionError("https://me:hunter22@tracker.example is down\nand so on")
        self.told.append(told)
