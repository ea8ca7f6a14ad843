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


def dollars_for(storage: Storage, name: str, tokens: float) -> float | None:
    """Dollars for so many tokens, at what a token of this sweep has cost so far.

    It is what a budget counts with, since a search knows its tokens before they are trained. 0 as
    long as nothing of the sweep is trained and priced; None where it was told no prices. Raises
    InputError where a record is damaged.
    """
    prices = stored_prices(storage, name)
    if prices is None:
        return None
    try:
        bill = sweep_bill(storage, name, prices)
    except FileNotFoundError:  # no tree yet: nothing was trained
        return 0.0
    return bill.priced.dollars * tokens / bill.tokens if bill and bill.tokens else 0.0
