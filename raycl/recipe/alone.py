"""The last stage of a recipe once for each of its corpora: the models that a search merges."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from raycl.errors import InputError
from raycl.plan.frozen import frozen
from raycl.recipe.lengths import trained_steps
from raycl.recipe.mixtures import Shares, mean_shares, named_corpora
from raycl.recipe.schema import Recipe, Stage


def new_shares(base: Recipe) -> Shares:
    """The corpora that the last stage reads as new data, and the share of each; they sum to 1.

    Raises InputError where there are fewer than two.
    """
    last = base.stages[-1]
    found = mean_shares(base, last, trained_steps(base, last))
    found = {corpus: share for corpus, share in found.items() if share}
    if len(found) < 2:
        problem = f"the stage {last.name!r} has one corpus, so there is nothing to merge"
        raise InputError("merge_search", problem, "Give its mixture two or more corpora")
    return found


def steps_alone(total: int, shares: Mapping[str, Fraction]) -> dict[str, int]:
    """Steps of each corpus, which sum to `total`.

    Each has its share, rounded down; what is missing goes to the largest remainders, one step each,
    and of equal ones to the first. Raises InputError where a corpus has no step.
    """
    exact = {corpus: total * share for corpus, share in shares.items()}
    steps = {corpus: int(value) for corpus, value in exact.items()}
    by_remainder = sorted(exact, key=lambda corpus: steps[corpus] - exact[corpus])
    for corpus in by_remainder[: total - sum(steps.values())]:
        steps[corpus] += 1
    if nothing := [corpus for corpus, count in steps.items() if not count]:
        problem = f"{nothing[0]} has none of the {total} steps of the stage"
        raise InputError("merge_search", problem, "Give the stage more steps, or a larger share")
    return steps


def alone(base: Recipe) -> list[tuple[str, Recipe]]:
    """Label and recipe for each corpus: the last stage with this corpus as its only new data.

    All of them together have the steps of that stage. Replay and schedule are those of the stage.
    Raises InputError where the stage cannot be divided so.
    """
    last = base.stages[-1]
    for field in ("anneal", "stop_after"):
        if getattr(last, field) is not None:
            where = f"stages.{last.name}.{field}"
            remedy = "Leave out one of the two"
            raise InputError(where, "merge_search divides a stage that ends by itself", remedy)
    shares = new_shares(base)
    steps = steps_alone(trained_steps(base, last), shares)
    earlier = [stage.model_copy(update={"anneal": None}) for stage in base.stages[:-1]]
    made = []
    for corpus in shares:
        stages = (*earlier, _with_one(last, corpus, steps[corpus]))
        update = {"stages": stages, "sweep": (), "search": None, "baselines": ()}
        made.append((f"{corpus} alone", base.model_copy(update=update)))
    return made


def _with_one(stage: Stage, corpus: str, steps: int) -> Stage:
    others = set(named_corpora(stage)) - {corpus}
    weights = _without(stage.loss_weight, others) if stage.replay_share else {}
    most = stage.max_epochs
    return stage.model_copy(
        update={
            "mixture": frozen({corpus: Fraction(1)}),
            "steps": steps,
            "tokens": None,
            "loss_weight": frozen(weights),
            "max_epochs": _or_none(_without(most, others)) if isinstance(most, Mapping) else most,
        }
    )


def _without(named: Mapping[str, Any], others: set[str]) -> dict[str, Any]:
    return {corpus: value for corpus, value in named.items() if corpus not in others}


def _or_none(named: Mapping[str, Any]) -> Any:
    return frozen(named) if named else None
