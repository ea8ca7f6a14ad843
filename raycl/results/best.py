"""The best recipe of a stored sweep, by its results table."""

from __future__ import annotations

from raycl.results.table import read_results
from raycl.storage import Storage


def states_to_keep(storage: Storage, sweep: str) -> frozenset[str]:
    """The last states of the finished recipes with the lowest AVG; all of them where it is unknown.

    Raises InputError where the sweep has no results, or they are damaged.
    """
    table = read_results(storage, sweep)
    finished = table[table["status"] == "finished"]
    averages = finished.get("average")
    if averages is None or averages.isna().any():
        return frozenset(finished["state"])
    return frozenset(finished[averages == averages.min()]["state"])
