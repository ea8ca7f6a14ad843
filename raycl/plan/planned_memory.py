"""The memory of a node as its recipe plans it, and the refusal of one that cannot fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from raycl.errors import InputError
from raycl.plan.execution import Device, precision_on
from raycl.plan.fit import Fit, best_layout, fit, usable
from raycl.plan.layout import Layout
from raycl.plan.memory import CHECKPOINTING, Checkpointing, Computation, MemoryFacts, step_memory
from raycl.plan.scaling import Machine, Work
from raycl.plan.training import Training
from raycl.units import format_memory

_HOSTS = (*range(1, 17), 32, 64, 128)
"""Numbers of machines that are tried for a proposal."""


@dataclass(frozen=True)
class Place:
    """What workers train on; `machine` is None where it is not known."""

    device: Device = "cpu"
    machine: Machine | None = None


def planned(training: Training, facts: MemoryFacts, place: Place) -> Fit:
    """How the worker with most to hold computes its rows, and the memory of it.

    With the fewest workers each has most to hold. What the recipe leaves open is what fits the
    machine, or where it is not known, all rows at once.
    """
    layout = _layout(training, place)
    wanted = _wanted(training, layout, place.device)
    policies = _policies(training)
    if place.machine is not None and training.execution.micro_batch is None:
        made = fit(facts, layout, wanted, usable(place.machine.memory), policies)
        if made is not None:
            return made
        wanted = replace(wanted, micro_batch=1, checkpointing=policies[-1])
    return Fit(layout, wanted, step_memory(facts, layout, wanted))


def check_room(
    training: Training, facts: MemoryFacts, work: Work, machine: Machine, where: str
) -> None:
    """Raise InputError where a GPU of the machine cannot hold the node, with what would fit."""
    place = Place("cuda", machine)
    needs, room = planned(training, facts, place).memory.total, usable(machine.memory)
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
    """Bytes of a worker that computes one row at a time on a CPU."""
    layout = _layout(training, Place())
    wanted = _wanted(training, layout, "cpu")
    rows = training.execution.micro_batch or 1
    return step_memory(facts, layout, replace(wanted, micro_batch=min(rows, wanted.rows))).total


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


def _layout(training: Training, _: Place) -> Layout:
    return Layout(shard=training.fewest_workers or training.workers)


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
    )


def _policies(training: Training) -> Sequence[Checkpointing]:
    """The policies that the recipe allows, those that compute least again first."""
    wanted = training.execution.activation_checkpointing
    return (wanted,) if wanted != "auto" else CHECKPOINTING[:1]
