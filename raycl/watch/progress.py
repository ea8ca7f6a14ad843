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
        self.nodes: dict[str, NodeProgress] = {}
        self._clock, self._pace = clock, Pace(WHOLE_PACE_SECONDS)
        self._began: dict[str, float] = {}
        # Kept up to date and not counted anew: a tree may have 10,000 nodes, and each report asks.
        self._done = self._total = 0
        self._trained = 0
        """Steps that this process has trained: saved ones tell nothing of the pace."""
        self._by_status: Counter[NodeStatus] = Counter()
        self._training: dict[str, NodeProgress] = {}
        self.titles_shared = frozenset[str]()
        """Nodes whose title another node has too."""
        self.add(nodes)
        self._shared = max(0, steps_alone - self._total)

    def add(self, nodes: Iterable[NodeProgress]) -> None:
        """Let the tree grow."""
        new = {node.name: node for node in nodes if node.name not in self.nodes}
        self.nodes = self.nodes | new  # another thread may be looking at the one before
        for node in new.values():
            self._total += node.steps
            self._count(node, 1)
        titles = Counter(node.title for node in self.nodes.values())
        shared = (name for name, node in self.nodes.items() if titles[node.title] > 1)
        self.titles_shared = frozenset(shared)

    def _count(self, node: NodeProgress, times: int) -> None:
        self._done += times * node.steps_done
        self._by_status[node.status] += times

    def _change(self, node: NodeProgress, status: NodeStatus, step: int) -> None:
        self._count(node, -1)
        node.status, node.step = status, step
        self._count(node, 1)
        if status == "training":
            self._training[node.name] = node
        else:
            self._training.pop(node.name, None)

    def set(self, name: str, status: NodeStatus, reason: str = "") -> None:
        """Note what has become of a node; one that is not known is passed over."""
        node = self.nodes.get(name)
        if node is None:
            return
        was, before, now = node.status, node.step, self._clock()
        node.reason = reason
        self._change(node, status, node.last_step if status == "finished" else node.step)
        if status == "starting":
            node.pace = Pace()
            self._began[name] = now
        elif status == "finished":
            if name in self._began:
                node.seconds = now - self._began.pop(name)
            if was == "training":
                self._trained += node.last_step - before
                self._pace.add(self._trained, now)

    def report(self, name: str, numbers: Mapping[str, float]) -> bool:
        """Note the newest numbers of a node; whether they tell of a step that is news."""
        node = self.nodes.get(name)
        if node is None or "loss" not in numbers or "step" not in numbers:
            return False
        step, now = int(numbers["step"]), self._clock()
        is_new = step != node.step or node.status != "training"
        is_first = node.status != "training"  # it may go on from a saved state, or begin anew
        before = step - int(numbers.get("optimizer_steps", 0)) if is_first else node.step
        self._change(node, "training", min(max(step, node.first_step), node.last_step))
        node.numbers = {**node.numbers, **finite(numbers)}
        node.pace.add(node.step, now)
        self._trained += max(0, node.step - max(before, node.first_step))
        self._pace.add(self._trained, now)
        return is_new

    def whole(self) -> WholeProgress:
        """The tree in numbers, as it stands."""
        left = self._steps_left()
        speeds = (n.numbers.get("tokens_per_second", 0) for n in list(self._training.values()))
        return WholeProgress(
            nodes=len(self.nodes),
            # Copied first, since another thread may ask while a node gets the first of a status.
            by_status={status: count for status, count in dict(self._by_status).items() if count},
            steps_done=self._done,
            steps_total=self._total,
            steps_shared=self._shared,
            tokens_per_second=sum(speeds),
            seconds_left=self._pace.seconds_for(left) if left else 0.0,
        )

    def _steps_left(self) -> int:
        """Steps that are still to be trained, without those that nobody trains as things are."""
        if not any(self._by_status[status] for status in _STUCK):
            return self._total - self._done
        stuck: set[str | None] = set()
        left = 0
        for node in list(self.nodes.values()):  # parents come first
            if node.status in _STUCK or (node.parent in stuck and node.status == "waiting"):
                stuck.add(node.name)
            elif node.status != "finished":
                left += node.steps - node.steps_done
        return left


_STUCK: tuple[NodeStatus, ...] = ("failed", "skipped", "held")
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
