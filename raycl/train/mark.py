"""The mark that a training writes with a state: what its model, data and steps were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from raycl.data.manifest import Manifest
from raycl.plan.holding import Holding
from raycl.plan.training import Training
from raycl.states.mark import (
    AdapterFacts,
    CorpusOrigin,
    MachineFacts,
    Metadata,
    StateMark,
    ValidationFacts,
)
from raycl.train.cadence import stays_after
from raycl.train.checkpoint.stored_state import StoredState


@dataclass(frozen=True)
class HistoryStart:
    """What a state's history begins after."""

    name: str | None = None
    """A state; None at the start of the chain."""
    step: int = 0
    seconds: float = 0.0
    """Wall time of training from there until this process began."""
    worker_seconds: float = 0.0
    """The same time, of all workers together."""


def history_start(found: StoredState) -> HistoryStart:
    """What the history of the states after `found` begins after."""
    if found.kept:
        return HistoryStart(found.name, found.step)
    # An intermediate state will be removed, so its history becomes the beginning of this one.
    mark = found.mark
    return HistoryStart(mark.previous, mark.previous_step, mark.seconds, mark.worker_time)


@dataclass(frozen=True)
class Reached:
    """How far a training is, and how it computes."""

    step: int
    optimizer_steps: int
    seconds: float
    """Wall time of this process."""
    world_size: int
    machine: MachineFacts
    validation: ValidationFacts
    transposed: bool
    """See `AdapterFacts`."""


def holding(task: Training, step: int) -> Holding:
    """What the state after `step` steps is written with."""
    return task.end if step == task.stop else "all"


def training_mark(
    task: Training, manifests: Mapping[str, Manifest], start: HistoryStart, reached: Reached
) -> StateMark:
    """The mark of the state that the training has reached; its files are added as it is written."""
    step = reached.step
    return StateMark(
        name=task.chain.name(step),
        step=step,
        stage=task.stage,
        optimizer_steps=reached.optimizer_steps,
        tokens=step * task.chain.global_batch * task.sequence_length,
        world_size=reached.world_size,
        model=task.model,
        metadata=_metadata(task, manifests),
        validation=reached.validation,
        previous=start.name,
        previous_step=start.step,
        seconds=start.seconds + reached.seconds,
        worker_seconds=start.worker_seconds + reached.seconds * reached.world_size,
        sequence_length=task.sequence_length,
        machine=reached.machine,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        kept=stays_after(task, step),
        holds=holding(task, step),
        files={},
        **_partial(task, reached.transposed),
    )


def _metadata(task: Training, manifests: Mapping[str, Manifest]) -> Metadata:
    corpora = {
        corpus: CorpusOrigin(folder=task.corpora[corpus], fingerprint=manifest.fingerprint)
        for corpus, manifest in manifests.items()
    }
    # All corpora have the same tokenizer.
    tokenizer = next((manifest.tokenizer for manifest in manifests.values()), None)
    return Metadata(corpora=corpora, tokenizer=tokenizer)


def _partial(task: Training, transposed: bool) -> dict[str, Any]:
    """What the mark says where a part of the weights is trained; others are written without it."""
    trains = task.trains
    if trains.everything:
        return {}
    if trains.lora is None:
        return {"trains": trains.text}
    facts = AdapterFacts(scale=trains.lora.scale, transposed=transposed)
    return {"trains": trains.text, "adapters": facts}
