"""How fast a node trains on a kind of machine: measured, told by hand, assumed, or not known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal

from raycl.plan.prices import MachineKind, Prices
from raycl.plan.training import ModelSpec, Training

Basis = Literal["measured", "by hand", "assumed"]


@dataclass(frozen=True)
class Workload:
    """What the speed of a step depends on, beside the machine."""

    model: str
    """The model's configuration as text; two of the same are the same in size."""
    trains: str | None
    """What of the weights is trained; None: all."""
    tokens_per_step: int
    sequence_length: int | None
    """None where an older state does not know."""
    precision: str
    workers: int

    def is_as(self, other: Workload) -> bool:
        """Whether the same speed is expected; an unknown sequence length fits every one."""
        if None in (self.sequence_length, other.sequence_length):
            other = replace(other, sequence_length=self.sequence_length)
        return self == other


@dataclass(frozen=True)
class Measured:
    """How fast the steps up to a stored state were."""

    work: Workload
    device: str | None
    """None where an older state does not know."""
    tokens_per_second: float
    """Of all workers together, the median of its steps."""
    overhead: float
    """Its wall time for each second that all steps take at that speed: the start and its slow first
    steps, validation and saves are in it."""


@dataclass(frozen=True)
class Speed:
    """How fast a node trains."""

    tokens_per_second: float
    """Of all workers together."""
    overhead: float
    """Wall time for each second of steps, 1 where only the steps are known."""
    basis: Basis
    states: int = 0
    """From how many states it was measured."""

    def seconds(self, tokens: int) -> float:
        """Wall time of a node with so many tokens."""
        return tokens / self.tokens_per_second * self.overhead


def workload_of(training: Training) -> Workload:
    """What the speed of a node's steps depends on."""
    trains = training.trains
    return Workload(
        model=model_key(training.model),
        trains=None if trains.everything else trains.text,
        tokens_per_step=training.chain.tokens_per_step,
        sequence_length=training.sequence_length,
        precision=training.execution.precision,
        workers=training.workers,
    )


def model_key(model: ModelSpec) -> str:
    """The configuration of a model as text."""
    return json.dumps(dict(model.config), sort_keys=True, default=str)


def speed_of(
    work: Workload,
    flops_per_token: float,
    kind: MachineKind,
    prices: Prices,
    measured: Iterable[Measured],
) -> Speed | None:
    """How fast such work is on a kind of machine; None where there is no basis to say it.

    What was measured comes before what a person has written, and that before what follows from
    FLOPs and an assumed MFU (tokens per second = MFU · peak · workers / FLOPs per token, the
    definition of PaLM, Chowdhery et al. 2022, appendix B, solved for the speed).
    """
    found = [m for m in measured if m.work.is_as(work) and prices.kind_of(m.device) is kind]
    if found:
        return _typical(found)
    if kind.tokens_per_second is not None:
        return Speed(kind.tokens_per_second * work.workers, 1.0, "by hand")
    peak = kind.peak(work.precision)
    if kind.mfu is None or peak is None or not flops_per_token:
        return None
    return Speed(float(kind.mfu) * peak * work.workers / flops_per_token, 1.0, "assumed")


def _typical(found: Sequence[Measured]) -> Speed:
    return Speed(
        median(one.tokens_per_second for one in found),
        median(one.overhead for one in found),
        "measured",
        len(found),
    )
