"""Good results that stand already are not replaced by poorer ones."""

from __future__ import annotations

from collections.abc import Sequence

from raycl.errors import InputError
from raycl.results.outcome import RecipeOutcome
from raycl.results.table import read_results
from raycl.storage import Storage


def lost_recipes(
    storage: Storage, sweep: str, outcomes: Sequence[RecipeOutcome]
) -> list[RecipeOutcome]:
    """The outcomes that are not finished, although the stored results have them as finished.

    Empty where as many of these recipes are finished now as in the stored results, and where there
    are no readable results: then nothing good would be replaced.
    """
    try:
        table = read_results(storage, sweep)
    except InputError:
        return []
    if not {"recipe", "status"}.issubset(table.columns):
        return []
    stood = set(table["recipe"][table["status"] == "finished"])
    own = [outcome for outcome in outcomes if outcome.label in stood]
    finished = sum(outcome.status == "finished" for outcome in outcomes)
    return [o for o in own if o.status != "finished"] if finished < len(own) else []
