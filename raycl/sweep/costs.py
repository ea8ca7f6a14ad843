"""What a stored sweep has cost so far, by the prices that it was told."""

from __future__ import annotations

from raycl.plan.prices import Prices
from raycl.recipe.prices_file import stored_prices
from raycl.results.bill import BillSoFar, bill_so_far, marks_along
from raycl.storage import Storage
from raycl.sweep.description import trained_states


def sweep_bill(storage: Storage, name: str, prices: Prices | None = None) -> BillSoFar | None:
    """The bill of all states on a sweep's tree, also of those that another sweep has trained.

    Without `prices` those that the sweep was last told count; None where it was told none. Raises
    FileNotFoundError where the sweep has no tree, InputError where a record is damaged.
    """
    prices = prices or stored_prices(storage, name)
    if prices is None:
        return None
    return bill_so_far(marks_along(storage, trained_states(storage, name)).values(), prices)
