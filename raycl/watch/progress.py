"""How far a tree is that is trained now, as the process knows that trains it."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from raycl.watch.pace import Pace

WHOLE_PACE_SECONDS = 300.0
"""Nodes start, validate and end, so the pace of a whole tree is that of five minutes."""

NodeStatus = Literal["waiting", "starting", "training", "finished", "failed", "skipped", "held"]


@dataclass
class NodeProgress:
    """A node and how far it is. Steps count from the beginning of the recipe."""

    name: str
    title: str
    """Stage, steps and recipes, for people."""
    parent: str | None
    first_step: int
    last_step: int
    status: NodeStatus = "waiting"
    step: int = -1
    """Steps done; those before the node count too."""
    numbers: dict[str, float] = field(default_factory=dict)
    """The newest numbers of the loop."""
    reason: str = ""
    """Why it failed, or waits."""
    pace: Pace = field(default_factory=Pace)
    seconds: float | None = None
    """How long it has been trained in this process, when it is finished."""

    def __post_init__(self) -> None:
        self.step = max(self.step, self.first_step)

    @property
    def steps(self) -> int:
        """How many steps the node has."""
        return self.last_step - self.first_step

    @property
    def steps_done(self) -> int:
        """How many of them are done."""
        return self.steps if self.status == "finished" else self.step - self.first_step

    @property
    def share(self) -> float:
        """The part of its steps that is done, from 0 to 1."""
        return self.steps_done / self.steps if self.steps else 1.0

    @property
    def seconds_left(self) -> float | None:
        """At the pace of the last minute; None where that is not known."""
        return self.pace.seconds_for(self.last_step - self.step)


@dataclass(frozen=True)
class WholeProgress:
    """A whole tree in numbers."""

    nodes: int
    by_status: Mapping[NodeStatus, int]
    steps_done: int
    """Those that were in storage already count."""
    steps_total: int
    steps_shared: int
    """Steps that are not trained because recipes share them."""
    tokens_per_second: float
    """Of all nodes that are trained now."""
    seconds_left: float | None
    """At the present pace, of what neither failed nor is held back; None where it is not known."""

    @property
    def share(self) -> float:
        """The part of all steps that is done, from 0 to 1."""
        return self.steps_done / self.steps_total if self.steps_total else 1.0

    @property
    def shared(self) -> float:
        """The part of the steps of all recipes, each alone, that sharing saves."""
        alone = self.steps_total + self.steps_shared
        return self.steps_shared / alone if alone else 0.0


class TreeProgress:
    """The nodes of a tree by name, parents before children, with what is told of them."""

    def __init__(
        self,
        nodes: Iterable[NodeProgress],
        steps_alone: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`steps_alone` are the steps that all recipes would take, each by itself."""
        self.nodes = {node.name: node for node in nodes}
        self._shared = max(0, steps_alone - sum(node.steps for node in self.nodes.values()))
        self._clock, self._pace = clock, Pace(WHOLE_PACE_SECONDS)
        self._began: dict[str, float] = {}
        self.titles_shared = frozenset[str]()
        """Nodes whose title another node has too."""
        self._find_shared_titles()

    def add(self, nodes: Iterable[NodeProgress]) -> None:
        """Let the tree grow."""
        self.nodes = self.nodes | {n.name: n for n in nodes if n.name not in self.nodes}
        self._find_shared_titles()

    def _find_shared_titles(self) -> None:
        counts = Counter(node.title for node in self.nodes.values())
        shared = (name for name, node in self.nodes.items() if counts[node.title] > 1)
        self.titles_shared = frozenset(shared)

    def set(self, name: str, status: NodeStatus, reason: str = "") -> None:
        """Note what has become of a node; one that is not known is passed over."""
        node = self.nodes.get(name)
        if node is not None:
            was, node.status, node.reason = node.status, status, reason
            if status == "starting":
                node.pace = Pace()
                self._began[name] = self._clock()
            if status == "finished":
                node.step = node.last_step
                if name in self._began:
                    node.seconds = self._clock() - self._began.pop(name)
            if status == "finished" and was == "training":
                self._pace.add(self._steps_done(), self._clock())

    def report(self, name: str, numbers: Mapping[str, float]) -> bool:
        """Note the newest numbers of a node; whether they tell of a step that is news."""
        node = self.nodes.get(name)
        if node is None or "loss" not in numbers or "step" not in numbers:
            return False
        step, now = int(numbers["step"]), self._clock()
        is_new = step != node.step or node.status != "training"
        node.status = "training"
        node.step = min(max(step, node.first_step), node.last_step)
        node.numbers = {**node.numbers, **finite(numbers)}
        node.pace.add(node.step, now)
        self._pace.add(self._steps_done(), now)
        return is_new

    def whole(self) -> WholeProgress:
        """The tree in numbers, as it stands."""
        nodes = list(self.nodes.values())
        by_status: dict[NodeStatus, int] = {}
        for node in nodes:
            by_status[node.status] = by_status.get(node.status, 0) + 1
        stuck: set[str | None] = set()
        left = 0
        for node in nodes:  # parents come first
            if node.status in _STUCK or (node.parent in stuck and node.status == "waiting"):
                stuck.add(node.name)
            elif node.status != "finished":
                left += node.steps - node.steps_done
        speeds = (n.numbers.get("tokens_per_second", 0) for n in nodes if n.status == "training")
        return WholeProgress(
            nodes=len(nodes),
            by_status=by_status,
            steps_done=self._steps_done(),
            steps_total=sum(node.steps for node in nodes),
            steps_shared=self._shared,
            tokens_per_second=sum(speeds),
            seconds_left=self._pace.seconds_for(left) if left else 0.0,
        )

    def _steps_done(self) -> int:
        return sum(node.steps_done for node in list(self.nodes.values()))


_STUCK = ("failed", "skipped", "held")
"""What is not trained before somebody does something, and with it all that waits below."""


def finite(numbers: Mapping[str, object]) -> dict[str, float]:
    """The numbers among what a trial reports, as floats; those that are not finite are left out."""
    return {
        name: float(value)
        for name, value in numbers.items()
        if isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(float(value))
    }
