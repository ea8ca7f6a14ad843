"""Trains the recipes of a sweep, for a program."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from raycl.api.prices import PricesLike, keep_prices
from raycl.api.recipe import RecipeLike, definition_of_any
from raycl.api.runs import Runs
from raycl.cluster.options import ClusterOptions
from raycl.cluster.queue_options import queue_options
from raycl.storage import Storage


class SweepFailed(RuntimeError):
    """Parts of a sweep failed; what was trained is stored, and its results are written."""

    def __init__(self, runs: Runs, failed: Mapping[str, str]) -> None:
        told = "; ".join(f"{part}: {reason}" for part, reason in failed.items())
        super().__init__(f"{told}. The same call again goes on from what is stored")
        self.runs = runs
        """The sweep, as far as it came."""
        self.failed = dict(failed)
        """Reason by failed node or merge."""


def sweep(  # noqa: PLR0913 (each is an option of `raycl sweep`)
    recipe: RecipeLike,
    storage: str | Path,
    *,
    address: str | None = None,
    workers: int | None = None,
    concurrent: int | None = None,
    gpus: bool = False,
    accelerator: str | None = None,
    variables: Mapping[str, str] | None = None,
    prices: PricesLike | None = None,
    overrides: Mapping[str, Any] | None = None,
    scale: str | None = None,
    owner: str | None = None,
    priority: int = 0,
    share: float = 1.0,
    report: Callable[[str], None] = print,
) -> Runs:
    """Train what the storage lacks of a recipe's sweep, and write its results, as `raycl sweep`.

    `recipe`, `overrides` and `scale` are those of `raycl.plan`. `address` is a Ray cluster's;
    without it one of this machine lives as long as the call, with `workers` CPUs. `concurrent` is
    the most nodes at once, `gpus` gives each worker a GPU, `accelerator` names their kind,
    `variables` are set for all workers. `prices`, a file of prices or what it holds, are kept
    beside the sweep, for its bill and for budgets in dollars. `owner`, `priority` and `share` say
    how several sweeps share a cluster, and `report` is told of progress. The same call again
    recovers. Raises raycl.InputError before anything starts, and SweepFailed at the end.
    """
    from raycl.sweep.pipeline import sweep as run

    definition = definition_of_any(recipe, overrides, scale)
    pairs = tuple((variables or {}).items())
    queue = queue_options(owner, priority, share)
    options = ClusterOptions(address, workers, concurrent, gpus, accelerator, pairs, queue)
    place = Storage(str(storage))
    if prices is not None:
        keep_prices(place, definition.recipe.name, prices)
    result = run(definition, place, options, report)
    runs = Runs(str(storage), definition.recipe.name)
    if result.failed:
        raise SweepFailed(runs, result.failed)
    return runs
