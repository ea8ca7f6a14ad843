"""A search in words, for a plan and for the beginning of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from raycl.recipe.proposals import HAND, Proposal
from raycl.recipe.schema.search import TASKS, Budget, Search
from raycl.recipe.search import as_text
from raycl.recipe.space import Axis, Choices, most_trials, space_of, written
from raycl.recipe.stored_recipe import read_recipe
from raycl.results.objective import objective_text
from raycl.search.study import Study
from raycl.storage import Storage
from raycl.units import format_count


def search_texts(study: Study) -> list[str]:
    """What is searched, by which sampler, for what, until when, and what is known already."""
    search = study.search
    space = "; ".join(f"{field} {_axis(axis)}" for field, axis in study.space.axes.items())
    said = [
        f"Search by {search.sampler} for {objective_text(search.objective)}, until "
        f"{_ends(search, study.most)}.",
        f"Space: {space}.",
    ]
    tasks = [f"{TASKS}{task.title}" for task in search.asked.values()]
    if tasks:
        said.append(
            f"{', '.join(tasks)}: asked of each recipe that comes to its end. The sampler is told "
            "then."
        )
    if study.learned:
        said.append(
            f"{study.learned} results of other sweeps in the storage are known: the sampler is "
            "told them first, and nothing is trained at their points."
        )
    if study.proposals:
        left = len(study.running) + len(study.at_rungs)
        said.append(
            f"Proposed so far: {len(study.proposals)}, and {left} of these have no result yet."
        )
    return said


def preview_text(study: Study, shown: Sequence[Proposal]) -> str:
    """That the proposals shown are no more than a preview, and what the whole search may take."""
    if not shown:
        return study.ended
    text = (
        f"Shown are the first {len(shown)} proposals, as they are before any result; the numbers "
        "above, prices too, are of these alone. Nothing is recorded."
    )
    if study.most is None or len(shown) < 2:
        return text
    later = Fraction(sum(proposal.tokens for proposal in shown[1:]), len(shown) - 1)
    tokens = shown[0].tokens + later * (study.most - 1)
    stopping = study.search.early_stopping
    less = f", less what {stopping.kind} leaves untrained" if stopping else ""
    return f"{text} At their mean, all {study.most:,} trials take about " + (
        f"{format_count(float(tokens))} tokens{less}."
    )


def trials_text(storage: Storage, sweep: str) -> str:
    """How many recipes the search of a stored sweep has proposed; empty where it is no search.

    Raises FileNotFoundError, and InputError where the stored recipe or a proposal is damaged.
    """
    definition = read_recipe(storage, sweep)
    search = definition.recipe.search
    if search is None:
        return ""
    count = sum(proposal.source != HAND for proposal in definition.proposals)
    return f"search by {search.sampler}: {count:,} proposed so far, " + (
        f"until {_ends(search, most_trials(search, space_of(definition.recipe)))}"
    )


def _ends(search: Search, most: int | None) -> str:
    """What the search ends with; `most` is the number of its trials."""
    ends = [f"{most:,} trials"] if most is not None else []
    return " or ".join(ends + (_budget(search.budget) if search.budget else []))


def _budget(budget: Budget) -> list[str]:
    found = []
    if budget.tokens is not None:
        found.append(f"{format_count(budget.tokens)} tokens")
    if budget.hours is not None:
        found.append(f"{budget.hours:g} hours")
    if budget.dollars is not None:
        found.append(f"{budget.dollars:g} dollars")
    return found


def _axis(axis: Axis) -> str:
    if isinstance(axis, Choices):
        return f"one of {', '.join(map(as_text, axis.values))}"
    bounds = f"{as_text(written(axis, axis.low))} to {as_text(written(axis, axis.high))}"
    return bounds if axis.kind == "uniform" else f"{bounds} ({axis.kind})"
