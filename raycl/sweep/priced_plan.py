"""A planned sweep in hours and dollars, by what its storage has measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from raycl.errors import InputError
from raycl.plan.estimate import Estimate, Kept, estimates
from raycl.plan.played import last_end, played
from raycl.plan.prices import Prices
from raycl.plan.speed import workload_of
from raycl.plan.tree import Node
from raycl.recipe.sweep_plan import SweepPlan
from raycl.results.measured_speed import measured_speeds
from raycl.storage import Storage
from raycl.sweep.frontier import Frontier


def priced_plan(
    plan: SweepPlan, storage: Storage | None, prices: Prices, workers: int | None = None
) -> list[Estimate]:
    """The estimates of a plan, for each kind of machine; `workers` are kept for all of it.

    Raises InputError where the prices name a kind for a stage that the plan does not have.
    """
    nodes = plan.tree.nodes
    stages = {stage.name for node in nodes for stage in node.training.chain.stages}
    for stage in prices.stages:
        if stage not in stages:
            raise InputError(
                f"prices: stages.{stage}",
                "no stage of this recipe",
                f"Name one of {', '.join(sorted(stages))}, or remove it",
            )
    works = {workload_of(node.training) for node in nodes}
    measured = measured_speeds(storage, plan.states, works) if storage is not None else []
    kept = Kept(workers, played_sweep) if workers is not None else None
    return estimates(plan.cost.nodes, nodes, prices, measured, kept)


def played_sweep(nodes: Sequence[Node], seconds: Mapping[str, float], workers: int) -> float:
    """Seconds until the last node ends on so many workers, in the order in which a sweep trains.

    `seconds` is how long each node takes on all of its workers; on fewer it takes longer in
    proportion. Those of none are finished before the clock starts.
    """
    finished = [node.name for node in nodes if not seconds[node.name]]
    frontier = Frontier(nodes, finished, slots=lambda: workers)
    spans = played(frontier, lambda node, n: seconds[node.name] * node.training.workers / n)
    return last_end(spans)
