"""What fits: the micro-batch, checkpointing and layout with which a step has room."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from raycl.plan.layout import Layout, LayoutChoice, chosen_layout
from raycl.plan.memory import (
    CHECKPOINTING,
    Checkpointing,
    Computation,
    MemoryFacts,
    StepMemory,
)
from raycl.plan.process_memory import worker_memory
from raycl.plan.scaling import Machine, Work, predict
from raycl.plan.shares import even_rows

TOKENS = 4096
"""Tokens of a forward pass that fill a GPU; with fewer, computing again is the better way."""


@dataclass(frozen=True)
class Fit:
    """A way to compute a step, and the memory that it takes."""

    layout: Layout
    computation: Computation
    memory: StepMemory


def usable(memory: float) -> float:
    """Bytes for a step of a GPU's memory: CUDA, its libraries and fragments take the rest."""
    return 0.94 * memory - 1.5 * 2**30


def most_rows(facts: MemoryFacts, layout: Layout, wanted: Computation, room: float) -> int:
    """The largest micro-batch of `wanted` that fits into `room` bytes; 0 where none does.

    A micro-batch of all rows may fit where half of them do not, because no earlier gradients are
    held then.
    """
    if _bytes(facts, layout, replace(wanted, micro_batch=wanted.rows)) <= room:
        return wanted.rows
    low, high = 0, wanted.rows - 1
    while low < high:
        middle = (low + high + 1) // 2
        fits = _bytes(facts, layout, replace(wanted, micro_batch=middle)) <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


def _bytes(facts: MemoryFacts, layout: Layout, computation: Computation) -> float:
    return worker_memory(facts, layout, computation).total


def fit(
    facts: MemoryFacts,
    layout: Layout,
    wanted: Computation,
    room: float,
    policies: Sequence[Checkpointing] = CHECKPOINTING,
) -> Fit | None:
    """The first of the policies with room for enough rows, else that with most; None: none has.

    Enough are all rows of the worker, or `TOKENS` tokens. The micro-batch is made equal over the
    forward passes of the step.
    """
    enough = min(wanted.rows, math.ceil(TOKENS / facts.sequence_length))
    best: tuple[int, Computation] | None = None
    for policy in policies:
        computation = replace(wanted, checkpointing=policy)
        rows = most_rows(facts, layout, computation, room)
        if rows and (best is None or rows > best[0]):
            best = rows, replace(computation, micro_batch=even_rows(wanted.rows, rows))
        if rows >= enough:
            break
    if best is None:
        return None
    return Fit(layout, best[1], worker_memory(facts, layout, best[1]))


def hosts_of(workers: int, per_host: int) -> int:
    """Hosts of equally many workers; 1 where they do not fill whole hosts."""
    return workers // per_host if workers % per_host == 0 else 1


def roomy_layout(
    facts: MemoryFacts,
    choice: LayoutChoice | Literal["auto"],
    workers: int,
    hosts: int,
    least: Computation,
    room: float,
) -> Layout:  # six arguments: what is divided among whom, and the room for it
    """The layout of `chosen_layout`, with fewer copies where a host has no room for one.

    A copy then lies on 2, 3, 4, … hosts, the first number that divides the hosts and with which
    `least`, the computation that takes least memory, fits into `room` bytes of each worker; on all
    hosts where none has room. Copies that a recipe asks for stay. Raises InputError as
    `chosen_layout` does.
    """
    layout = chosen_layout(choice, workers, hosts)
    if choice != "auto" and choice.replicate is not None:
        return layout
    for copies in reversed(_divisors(layout.replicate)):
        shard = workers // copies // layout.tensor
        divided = Layout(copies, shard, layout.tensor)
        if _bytes(facts, divided, least) <= room:
            break
    return divided


def layouts(workers: int, per_host: int, heads: int) -> Iterator[Layout]:
    """Layouts of so many workers: tensor parallelism inside a host and where heads divide."""
    for tensor in _divisors(min(per_host, workers)):
        if workers % tensor or heads % tensor:
            continue
        for replicate in _divisors(workers // tensor):
            yield Layout(replicate, workers // tensor // replicate, tensor)


def _divisors(number: int) -> list[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


ALIKE = 1.02
"""Steps that differ by less are alike: predictions are no better."""


def best_layout(
    facts: MemoryFacts,
    machine: Machine,
    workers: int,
    work: Work,
    wanted: Computation,
    mfu: float = 0.41,
) -> Fit | None:  # six arguments: what is divided among whom, how it is computed and judged
    """The layout of so many workers with the quickest step among those that fit; None: none fits.

    Of layouts that are alike it is the one that workers take by themselves (`roomy_layout`), else
    that with fewest parts of a matrix and with most copies.
    """
    found, room = [], usable(machine.memory)
    for layout in layouts(workers, machine.gpus_per_host, work.heads):
        share = math.ceil(work.global_batch / layout.readers)
        if layout.readers <= work.global_batch:
            made = fit(facts, layout, replace(wanted, rows=share, micro_batch=share), room)
            if made is not None:
                found.append((seconds(made, work, machine, mfu), made))
    if not found:
        return None
    limit = ALIKE * min(time for time, _ in found)
    hosts = hosts_of(workers, machine.gpus_per_host)
    rows = math.ceil(work.global_batch / workers)
    least = replace(wanted, rows=rows, micro_batch=1, checkpointing="full")
    usual = roomy_layout(facts, "auto", workers, hosts, least, room).replicate
    alike = [made.layout for time, made in found if time <= limit]
    best = min(alike, key=lambda layout: _strangeness(layout, usual))
    return next(made for _, made in found if made.layout == best)


def _strangeness(layout: Layout, usual: int) -> tuple[int, bool, int]:
    return layout.tensor, layout.replicate != usual, -layout.replicate


def seconds(made: Fit, work: Work, machine: Machine, mfu: float) -> float:
    """The predicted time of a step."""
    computed = made.computation
    return predict(
        work, made.layout, machine, mfu, computed.micro_batch, computed.checkpointing
    ).step
