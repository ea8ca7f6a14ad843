"""What a running sweep tells: an event when a node starts, reports, is done, retried or lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from raycl.plan.tree import Node
from raycl.units import format_memory

Kind = Literal[
    "started",
    "metrics",
    "finished",
    "retried",
    "failed",
    "waiting",
    "note",
    # Because somebody has asked for it:
    "paused",
    "stopped",
    "resumed",
    "left",
]


THEIRS = "another sweep trains it"
"""The reason of an event of kind `waiting` about a node that is not this sweep's now."""
BY = "by "
"""A reason that begins so says who has asked for what happened."""


@dataclass(frozen=True)
class SweepEvent:
    """Something that happened to a node; `str()` is a line for people."""

    kind: Kind
    node: str
    """Empty where it concerns the sweep as a whole."""
    label: str
    """Stage, steps and recipes of the node; or the name of the sweep."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    skipped: tuple[str, ...] = ()
    """In an event of kind `failed`, the nodes below this one, which are not trained either."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)
    """When it happened."""

    def __str__(self) -> str:
        text = f"{self.label}: {self.kind}"
        if self.kind == "metrics":
            text = f"{self.label}: " + ", ".join(_metric(*item) for item in self.metrics.items())
        if self.reason:
            text += f" {self.reason}" if self.reason.startswith(BY) else f": {self.reason}"
        if self.skipped:
            text += f" ({len(self.skipped)} nodes below it are not trained)"
        return text


def _metric(name: str, value: float) -> str:
    """A number with its name, as people read it."""
    if name in _AS_PEOPLE_READ:
        return f"{name} {_AS_PEOPLE_READ[name](value)}"
    return f"{name} {value:.4g}"


_AS_PEOPLE_READ: Mapping[str, Callable[[float], str]] = {
    "step": lambda value: f"{value:.0f}",
    "tokens_per_second": lambda value: f"{value:,.0f}",
    "mfu": lambda value: f"{value:.1%}",
    "peak_memory": format_memory,
    "data_wait_share": lambda value: f"{value:.1%}",
}


def node_label(node: Node) -> str:
    """Stage, steps and whose they are: `german 100–200 (replay 5%)`."""
    training = node.training
    return node_title(training.stage, training.start, training.stop, node.recipes)


def node_title(stage: str, first: int, last: int, recipes: Sequence[str]) -> str:
    """The same of a node that is known by these facts alone."""
    whose = recipes[0] if len(recipes) == 1 else f"{len(recipes)} recipes"
    return f"{stage} {first}–{last} ({whose})"
