"""What a tracker is told: runs that begin, their numbers, and how they end.

Another tracker is a class of `Tracker`, a line in `raycl.sweep.tracking.registry`, and a field of
the recipe's `trackers` with its settings.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from raycl.storage import Storage

End = Literal["finished", "failed", "stopped"]
"""How a run ends. After `failed` and `stopped` it may begin again."""
Value = int | float | str


@dataclass(frozen=True)
class Run:
    """One node of a sweep, as trackers know it."""

    name: str
    """Stage, steps and recipes in characters that a file's name may have; no two nodes share it."""
    state: str
    """Name of the node's end state: equal for equal trainings, whoever trains them."""
    sweep: str
    stage: str
    first_step: int
    last_step: int
    recipes: tuple[str, ...]
    """Labels of the recipes that share these steps."""
    fields: Mapping[str, Value] = field(default_factory=dict)
    """Swept fields that have one value in all of these recipes."""
    parent: str = ""
    """Name of the run whose end this one goes on from; empty where training begins."""
    parent_state: str = ""
    """Name of that run's end state; empty where training begins."""

    @property
    def parameters(self) -> dict[str, Value]:
        """What a tracker compares runs by: the swept fields, the recipe, the stage, the steps."""
        whose = self.recipes[0] if len(self.recipes) == 1 else f"{len(self.recipes)} recipes"
        facts = {"recipe": whose, "stage": self.stage}
        return {**self.fields, **facts, "first_step": self.first_step, "last_step": self.last_step}

    @property
    def tags(self) -> dict[str, str]:
        """What a tracker finds runs by, and the way to the run before this one."""
        named = {
            "sweep": self.sweep,
            "state": self.state,
            "stage": self.stage,
            "recipes": "; ".join(self.recipes),
            "parent": self.parent,
            "parent_state": self.parent_state,
        }
        return {f"raycl.{name}": text for name, text in named.items() if text}


@dataclass(frozen=True)
class Place:
    """Where the trackers of a sweep may write."""

    storage: Storage
    scratch: str
    """A folder of this machine that is removed when the sweep ends."""


class Tracker(ABC):
    """Follows runs. Its methods are called by one thread, one after another, and may take time.

    What one of them raises is told to people once; the call is made again, and then left out.
    """

    @abstractmethod
    def begin(self, run: Run) -> None:
        """Numbers of a run follow, for the first time or again after it was interrupted."""

    @abstractmethod
    def log(self, run: Run, step: int, numbers: Mapping[str, float], at: float) -> None:
        """Newest numbers of a run that has begun.

        `step` counts the optimizer steps done from the beginning of the recipe. `at` is the time in
        seconds since 1970.
        """

    @abstractmethod
    def end(self, run: Run, how: End) -> None:
        """No more numbers of a run follow, unless it begins again."""

    def tick(self) -> None:  # noqa: B027 (most trackers have nothing to do then)
        """Called about every second, for what is done from time to time."""

    def close(self) -> None:  # noqa: B027 (most trackers have nothing to close)
        """The sweep has ended; every run has been ended before."""
