"""The bytes that the states of a tree take in the storage.

A whole state has 4 bytes for each parameter and 8 more for each that is trained (AdamW's two
moments), in float32. A state of weights alone has 4 bytes for each parameter. Adapters are
parameters like others. Headers, indices and histories are not counted: of any but a tiny model they
are less than a hundredth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from raycl.plan.every import most_times
from raycl.plan.training import Training

WEIGHT_BYTES, MOMENT_BYTES = 4, 8


@dataclass(frozen=True)
class DiskUse:
    """Bytes of states."""

    at_end: int = 0
    """Of all that stay when the tree is trained, those that are there already included."""
    with_all: int = 0
    """The same with `execution.keep: all`."""
    with_weights: int = 0
    """The same with `execution.keep: weights`; what is there already stays as it is."""
    there: int = 0
    """Of the ends of finished nodes, as they were written; pruned ones take less."""
    meanwhile: int = 0
    """The most that the intermediate states of one node take beside these, while it trains."""

    def plus(self, other: DiskUse) -> DiskUse:
        """The use of both, of which one trains at a time."""
        sums = ("at_end", "with_all", "with_weights", "there")
        both = {name: getattr(self, name) + getattr(other, name) for name in sums}
        return replace(self, meanwhile=max(self.meanwhile, other.meanwhile), **both)


@dataclass(frozen=True)
class StateNumbers:
    """The numbers of which the states of a node consist."""

    parameters: int
    """Those of the model, its stage's adapters included."""
    trained: int
    """Those that have moments."""

    @property
    def light(self) -> int:
        """Bytes of a state of weights alone."""
        return WEIGHT_BYTES * self.parameters

    @property
    def whole(self) -> int:
        """Bytes of a state that training resumes from."""
        return WEIGHT_BYTES * self.parameters + MOMENT_BYTES * self.trained


def disk_use(training: Training, carried: bool, finished: bool, numbers: StateNumbers) -> DiskUse:
    """What the states of a node take; `carried`: a node of the tree goes on with its optimizer."""
    light, whole = numbers.light, numbers.whole
    end = light if training.end == "weights" else whole
    if finished:
        return DiskUse(end, end, end, end)
    stay = whole * most_times(training.execution.keep_every, training.start, training.stop)
    least = whole if carried else light
    return DiskUse(stay + end, stay + whole, stay + least, 0, whole * _intermediates(training))


def all_use(uses: Iterable[DiskUse]) -> DiskUse:
    """The use of all nodes."""
    whole = DiskUse()
    for use in uses:
        whole = whole.plus(use)
    return whole


def _intermediates(training: Training) -> int:
    """The states that are there at once: the newest one is complete before the oldest one goes."""
    execution = training.execution
    saves = most_times(execution.save_every, training.start, training.stop)
    return min(saves, execution.keep_last + 1)
