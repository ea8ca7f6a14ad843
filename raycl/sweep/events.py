"""What a running sweep tells: an event when a node starts, reports, is done, retried or lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from raycl.plan.tree import Node

Kind = Literal["started", "metrics", "finished", "retried", "failed", "waiting"]


@dataclass(frozen=True)
class SweepEvent:
    """Something that happened to a node; `str()` is a line for people."""

    kind: Kind
    node: str
    label: str
    """Stage, steps and recipes of the node."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str = ""
    skipped: tuple[str, ...] = ()
    """In an event of kind `failed`, the nodes below this one, which are not trained either."""

    def __str__(self) -> str:
        text = f"{self.label}: {self.kind}"
        if self.kind == "metrics":
            text = f"{self.label}: " + ", ".join(f"{k} {v:.4g}" for k, v in self.metrics.items())
        if self.reason:
            text += f": {self.reason}"
        if self.skipped:
            text += f" ({len(self.skipped)} nodes below it are not trained)"
        return text


def node_label(node: Node) -> str:
    """Stage, steps and whose they are: `german 100–200 (replay 5%)`."""
    training, recipes = node.training, node.recipes
    whose = recipes[0] if len(recipes) == 1 else f"{len(recipes)} recipes"
    return f"{training.stage} {training.start}–{training.stop} ({whose})"
