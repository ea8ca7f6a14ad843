"""A planned sweep in hours and dollars, by what its storage has measured."""

from __future__ import annotations

from raycl.errors import InputError
from raycl.plan.estimate import Estimate, estimates
from raycl.plan.prices import Prices
from raycl.plan.speed import workload_of
from raycl.recipe.sweep_plan import SweepPlan
from raycl.results.measured_speed import measured_speeds
from raycl.storage import Storage


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
    return estimates(plan.cost.nodes, nodes, prices, measured, workers)
