"""Hours and dollars of a tree on each kind of machine: from speeds, prices, a simulated clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from raycl.plan.bounds import simple_bound
from raycl.plan.cost import NodePlan
from raycl.plan.every import usual_steps
from raycl.plan.prices import MachineKind, Prices, Spot
from raycl.plan.speed import Measured, Speed, speed_of, workload_of
from raycl.plan.spot import best_interval, expected_waste
from raycl.plan.tree import Node

_HOUR = 3600.0

Clock = Callable[[Sequence[Node], Mapping[str, float], int], float]
"""Plays a sweep of nodes that take so many seconds on so many workers: when the last one ends."""


@dataclass(frozen=True)
class Bill:
    """Time of workers, and its price where machines are counted by the workers that are used."""

    worker_hours: float = 0.0
    dollars: float = 0.0

    def __add__(self, other: Bill) -> Bill:
        return Bill(self.worker_hours + other.worker_hours, self.dollars + other.dollars)


@dataclass(frozen=True)
class SpotBill:
    """The same work on machines that are taken back."""

    bill: Bill
    """With what interruptions add."""
    waste: Bill
    """What interruptions add, in the mean."""


@dataclass(frozen=True)
class Kept:
    """Workers that are there until the last node ends, and the clock that tells when."""

    workers: int
    clock: Clock


@dataclass(frozen=True)
class Rented:
    """So many workers, kept until the last node ends."""

    workers: int
    hours: float
    dollars: float | None
    """Of whole machines, also where some wait; None where stages train on several kinds."""


@dataclass(frozen=True)
class Estimate:
    """What a tree costs where its stages train on one kind of machine, or on those they name."""

    kind: str
    """Name of the kind."""
    left: Bill | None
    """What is left to train; None where the speed of a part of it is not known."""
    whole: Bill | None
    """All of the tree, as if storage held nothing of it."""
    shared: Bill | None
    """What recipes would cost beyond that if none shared a step with another."""
    hours: float | None
    """Of the longest path that is left: the least time, with all workers that can be used."""
    speeds: Mapping[str, Speed | None]
    """The speed of each stage, the first of its nodes standing for the others."""
    spot: SpotBill | None = None
    """None where the kind has no price as one taken back."""
    save_every: Mapping[str, int] | None = None
    """The best `save_every` of each stage on such machines, where the time to save is given.

    A stage is left out whose state at the end is enough.
    """
    rented: Rented | None = None
    """Where a number of workers was asked about."""


@dataclass(frozen=True)
class _Node:
    """One node on its kind of machine."""

    plan: NodePlan
    node: Node
    kind: MachineKind
    speed: Speed

    @property
    def seconds(self) -> float:
        """Of the whole node."""
        return self.speed.seconds(self.plan.tokens)

    @property
    def left(self) -> float:
        """Seconds of what storage does not hold."""
        return self.seconds * (self.plan.steps - self.plan.done) / self.plan.steps

    def bill(self, seconds: float, price: float | None = None) -> Bill:
        hours = seconds * self.plan.workers / _HOUR
        each = self.kind.dollars_per_hour if price is None else price
        return Bill(hours, hours * each / self.kind.workers)

    @property
    def machines(self) -> int:
        return math.ceil(self.plan.workers / self.kind.workers)

    @property
    def seconds_per_step(self) -> float:
        return self.seconds / self.plan.steps

    def rate(self, spot: Spot) -> float:
        """Interruptions in a second of the node."""
        return spot.interruptions_per_hour * self.machines / _HOUR


def estimates(
    plans: Sequence[NodePlan],
    nodes: Sequence[Node],
    prices: Prices,
    measured: Sequence[Measured],
    kept: Kept | None = None,
) -> list[Estimate]:
    """An estimate for each kind of machine in the prices; one alone where stages name them all.

    `plans` and `nodes` are the same nodes in the same order, parents before children. `kept` are
    the workers that are kept for all of it.
    """
    stages = {plan.stage for plan in plans}
    if stages <= prices.stages.keys():
        return [_estimate("as named", plans, nodes, prices, (measured, None, kept))]
    return [
        _estimate(name, plans, nodes, prices, (measured, kind, kept))
        for name, kind in prices.machines.items()
    ]


def _estimate(
    name: str,
    plans: Sequence[NodePlan],
    nodes: Sequence[Node],
    prices: Prices,
    how: tuple[Sequence[Measured], MachineKind | None, Kept | None],
) -> Estimate:
    """`how`: what was measured, the kind of stages that name none, the workers that are kept."""
    measured, default, kept = how
    speeds: dict[str, Speed | None] = {}
    found: list[_Node] = []
    for plan, node in zip(plans, nodes, strict=True):
        chosen = prices.stages.get(plan.stage)
        kind = prices.machines[chosen] if chosen is not None else default
        assert kind is not None  # `estimates` gives one where a stage names none
        per_token = plan.flops / plan.tokens if plan.tokens else 0.0
        speed = speed_of(workload_of(node.training), per_token, kind, prices, measured)
        if plan.stage not in speeds or speed is None:
            speeds[plan.stage] = speed
        if speed is not None:
            found.append(_Node(plan, node, kind, speed))
    if len(found) < len(plans):
        return Estimate(name, None, None, None, None, speeds)
    seconds = {one.plan.name: one.left for one in found}
    return Estimate(
        kind=name,
        left=_sum(one.bill(one.left) for one in found),
        whole=_sum(one.bill(one.seconds) for one in found),
        shared=_sum(one.bill(one.seconds * (len(one.plan.recipes) - 1)) for one in found),
        hours=simple_bound(nodes, seconds, math.inf) / _HOUR,
        speeds=speeds,
        spot=_spot(found),
        save_every=_save_every(found),
        rented=_rented(found, seconds, kept) if kept else None,
    )


def _sum(bills: Iterable[Bill]) -> Bill:
    total = Bill()
    for bill in bills:
        total += bill
    return total


def _spot(found: Sequence[_Node]) -> SpotBill | None:
    if all(one.kind.spot is None for one in found):
        return None
    waste, total = Bill(), Bill()
    for one in found:
        if one.kind.spot is None:
            total += one.bill(one.left)
            continue
        spot = one.kind.spot
        saves = one.node.training.execution.save_every
        every = usual_steps(saves, one.plan.steps, one.seconds_per_step)
        added = expected_waste(
            one.left,
            every * one.seconds_per_step,
            one.rate(spot),
            spot.restart.total_seconds(),
        )
        waste += one.bill(added, spot.dollars_per_hour)
        total += one.bill(one.left + added, spot.dollars_per_hour)
    return SpotBill(total, waste)


def _save_every(found: Sequence[_Node]) -> dict[str, int] | None:
    best: dict[str, int] = {}
    for one in found:
        spot = one.kind.spot
        if spot is None or spot.save is None or not spot.interruptions_per_hour:
            continue
        seconds = best_interval(spot.save.total_seconds(), one.rate(spot))
        steps = max(1, round(seconds / one.seconds_per_step))
        if steps < one.plan.steps:  # else the state at the node's end is enough
            best.setdefault(one.plan.stage, steps)
    return best or None


def _rented(found: Sequence[_Node], seconds: Mapping[str, float], kept: Kept) -> Rented:
    hours = kept.clock([one.node for one in found], seconds, kept.workers) / _HOUR
    kinds = {id(one.kind): one.kind for one in found}
    if len(kinds) > 1:
        return Rented(kept.workers, hours, None)
    (kind,) = kinds.values()
    machines = math.ceil(kept.workers / kind.workers)
    return Rented(kept.workers, hours, hours * machines * kind.dollars_per_hour)
