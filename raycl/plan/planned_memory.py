"""The memory of a node as its recipe plans it, and the refusal of one that cannot fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from raycl.errors import InputError
from raycl.plan.documents import WITHIN
from raycl.plan.every import most_times
from raycl.plan.execution import Device, precision_on
from raycl.plan.fit import Fit, best_layout, fit, hosts_of, roomy_layout, usable
from raycl.plan.layout import Layout, chosen_layout
from raycl.plan.memory import CHECKPOINTING, Checkpointing, Computation, MemoryFacts, step_memory
from raycl.plan.process_memory import worker_memory
from raycl.plan.scaling import Machine, Work
from raycl.plan.training import Training
from raycl.units import format_memory

_HOSTS = (*range(1, 17), 32, 64, 128)
"""Numbers of machines that are tried for a proposal."""


@dataclass(frozen=True)
class Place:
    """What workers train on, as far as it is known."""

    device: Device = "cpu"
    room: float | None = None
    """Bytes that a step of one worker may take."""
    per_host: int | None = None
    """Workers of one host; None: all are on one."""


def on_gpus(machine: Machine) -> Place:
    """GPUs of a known kind."""
    return Place("cuda", usable(machine.memory), machine.gpus_per_host)


def planned(training: Training, facts: MemoryFacts, place: Place) -> Fit:
    """How the worker with most to hold computes its rows, and the memory of it.

    With the fewest workers each has most to hold. What the recipe leaves open is what fits the
    place; one row at a time where the place is not known, or nothing fits.
    """
    workers = training.fewest_workers or training.workers
    layout = training_layout(training, facts, workers, place)
    wanted = _wanted(training, layout, place.device)
    if training.execution.micro_batch is None:
        policies = _policies(training)
        made = fit(facts, layout, wanted, place.room, policies) if place.room else None
        if made is not None:
            return made
        policy = policies[0 if place.room is None else -1]
        wanted = replace(wanted, micro_batch=1, checkpointing=policy)
    return Fit(layout, wanted, worker_memory(facts, layout, wanted))


def training_layout(
    training: Training, facts: MemoryFacts | None, workers: int, place: Place
) -> Layout:
    """How so many workers divide the model: the recipe's layout, as far as memory allows.

    Plans and trainings take this one. Raises InputError where the workers do not divide.
    """
    choice = training.execution.layout
    hosts = hosts_of(workers, place.per_host or workers)
    layout = chosen_layout(choice, workers, hosts)
    if facts is None or place.room is None or layout.replicate == 1:
        return layout
    least = _least(training, layout, place.device)
    return roomy_layout(facts, choice, workers, hosts, least, place.room)


def check_room(
    training: Training, facts: MemoryFacts, work: Work, machine: Machine, where: str
) -> None:
    """Raise InputError where a GPU of the machine cannot hold the node, with what would fit."""
    needs, room = planned(training, facts, on_gpus(machine)).memory.total, usable(machine.memory)
    if needs <= room:
        return
    workers = training.fewest_workers or training.workers
    raise InputError(
        f"{where}: memory of stage {training.stage}",
        f"each of {workers} workers needs {format_memory(needs)}, and of a GPU's "
        f"{format_memory(machine.memory)} a step can use {format_memory(room)}",
        _proposal(training, facts, work, machine),
    )


def check_host(training: Training, facts: MemoryFacts, memory: float, where: str) -> None:
    """Raise InputError where a machine's memory cannot hold the node's workers, a row at a time."""
    least = fewest_bytes(training, facts)
    workers = training.fewest_workers or training.workers
    if least * workers > memory:
        raise InputError(
            f"{where}: memory of stage {training.stage}",
            f"{workers} worker{'s' * (workers > 1)} of {format_memory(least)} and more, and this "
            f"machine has {format_memory(memory)}",
            "Take a smaller model, or a cluster with more memory (--address)",
        )


def fewest_bytes(training: Training, facts: MemoryFacts) -> float:
    """Bytes of a worker's step that computes one row at a time on a CPU, without its libraries.

    Workers of one machine share most pages of these, so that they cannot be a reason to refuse.
    """
    workers = training.fewest_workers or training.workers
    layout = training_layout(training, facts, workers, Place())
    return step_memory(facts, layout, _least(training, layout, "cpu")).total


def _proposal(training: Training, facts: MemoryFacts, work: Work, machine: Machine) -> str:
    fewest = training.fewest_workers or training.workers
    wanted = _wanted(training, Layout(), "cuda")
    numbers = [machine.gpus_per_host * hosts for hosts in _HOSTS]
    for workers in (fewest, *(number for number in numbers if number > fewest)):
        made = best_layout(facts, machine, workers, work, wanted)
        if made is not None:
            return f"This fits: {described(made)}"
    return f"No layout of up to {numbers[-1]:,} such GPUs has room for it: take larger ones"


def described(made: Fit) -> str:
    """Fields of a recipe that compute in this way."""
    layout, computed = made.layout, made.computation
    grid = f"replicate: {layout.replicate}, tensor: {layout.tensor}"
    return (
        f"workers: {layout.workers}, execution.layout: {{{grid}}}, execution.micro_batch: "
        f"{computed.micro_batch}, execution.activation_checkpointing: {computed.checkpointing} "
        f"({format_memory(made.memory.total)} each)"
    )


def _wanted(training: Training, layout: Layout, device: Device) -> Computation:
    execution = training.execution
    rows = math.ceil(training.chain.global_batch / layout.readers)
    return Computation(
        rows=rows,
        micro_batch=min(rows, execution.micro_batch or rows),
        checkpointing=_policies(training)[0],
        precision=precision_on(execution.precision, device),
        device=device,
        attention=execution.attention,
        within_documents=training.documents == WITHIN,
        **written_by(training, device),
    )


def written_by(training: Training, device: Device) -> dict[str, Any]:
    """The fields of `Computation` that say which states a CPU copies before it writes them."""
    if device != "cpu":
        return {}
    execution = training.execution
    often = (execution.save_every, execution.keep_every)
    between = any(most_times(every, training.start, training.stop) for every in often)
    return {"saves_between": between, "end": training.end}


def _least(training: Training, layout: Layout, device: Device) -> Computation:
    """The computation with least memory that the recipe allows."""
    rows, policy = training.execution.micro_batch or 1, _policies(training)[-1]
    wanted = _wanted(training, layout, device)
    return replace(wanted, micro_batch=min(rows, wanted.rows), checkpointing=policy)


def _policies(training: Training) -> Sequence[Checkpointing]:
    """The policies that the recipe allows, those that compute least again first."""
    wanted = training.execution.activation_checkpointing
    return (wanted,) if wanted != "auto" else CHECKPOINTING
