"""Which corpora a stage reads as new data, and with which shares: fixed ones, or changing ones."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

from raycl.errors import InputError
from raycl.plan.changing import Change
from raycl.recipe.lengths import tokens_per_step, whole_steps
from raycl.recipe.schema import ChangingMixture, Recipe, Stage
from raycl.units import Length, format_number

Shares = dict[str, Fraction]


def named_corpora(stage: Stage) -> list[str]:
    """The corpora that a stage names as its new data; without any, that of its own name."""
    mixture = stage.mixture
    if isinstance(mixture, ChangingMixture):
        return list(dict.fromkeys([*mixture.before, *mixture.to]))
    return list(mixture) or [stage.name]


def shares(stage: Stage) -> Shares:
    """Each corpus' share of the stage's first new data, which sum to 1.

    Values of 1 or less are shares; values that are all above 1 (tokens, say) are divided by
    their sum. Raises InputError where shares do not sum to 1.
    """
    mixture, where = stage.mixture, f"stages.{stage.name}.mixture"
    if isinstance(mixture, ChangingMixture):
        return _of_all(stage, _normalised(mixture.before, f"{where}.from"))
    return _normalised(dict(mixture) or {stage.name: Fraction(1)}, where)


def later_shares(stage: Stage) -> Shares | None:
    """Each corpus' share after the mixture has changed; None where it does not. See `shares`."""
    if not isinstance(stage.mixture, ChangingMixture):
        return None
    return _of_all(stage, _normalised(stage.mixture.to, f"stages.{stage.name}.mixture.to"))


def change_of(recipe: Recipe, stage: Stage) -> Change | None:
    """Where the stage's mixture changes, in steps, rounded to whole ones; None: nowhere.

    Raises InputError where it cannot change there.
    """
    mixture = stage.mixture
    if not isinstance(mixture, ChangingMixture):
        return None
    whole, per_step = whole_steps(recipe, stage), tokens_per_step(recipe)
    at = tuple(round(length.steps(whole, per_step)) for length in mixture.at)
    if mixture.how == "linear" and not at:
        at = (0, whole)
    where = f"stages.{stage.name}.mixture.at"
    if any(one >= two for one, two in pairwise(at)):
        raise InputError(
            f"{where} {', '.join(map(str, mixture.at))}",
            f"steps {', '.join(map(str, at))} do not rise",
            "Give places that are further apart, in their order",
        )
    if at[0] >= whole:
        raise InputError(
            f"{where} {mixture.at[0]}",
            f"step {at[0]} of a stage of {whole}: the mixture would never change",
            "Give an earlier place, or the first mixture alone",
        )
    return Change(mixture.how, at)


def mean_shares(recipe: Recipe, stage: Stage, steps: int) -> Shares:
    """Each corpus' share of all new data in the stage's first `steps` steps; they sum to 1."""
    first, last, change = shares(stage), later_shares(stage), change_of(recipe, stage)
    if last is None or change is None:
        return first
    late = change.mean(steps)
    return {corpus: share * (1 - late) + last[corpus] * late for corpus, share in first.items()}


def changing_at_steps(recipe: Recipe, stage: Stage) -> Stage:
    """The stage, whose mixture changes at the same steps if the stage gets another length."""
    change = change_of(recipe, stage)
    if change is None or not isinstance(stage.mixture, ChangingMixture):
        return stage
    at = tuple(Length(Fraction(step), "steps") for step in change.at)
    return stage.model_copy(update={"mixture": stage.mixture.model_copy(update={"at": at})})


def _of_all(stage: Stage, some: Mapping[str, Fraction]) -> Shares:
    """The shares, with 0 for a corpus that only the other of two mixtures has."""
    return {corpus: some.get(corpus, Fraction(0)) for corpus in named_corpora(stage)}


def _normalised(mixture: Mapping[str, Fraction], where: str) -> Shares:
    total = sum(mixture.values(), Fraction(0))
    if all(value > 1 for value in mixture.values()):
        return {corpus: value / total for corpus, value in mixture.items()}
    if any(value < 0 for value in mixture.values()):
        raise InputError(where, "a share is negative", "Leave the corpus out")
    if total != 1:
        excess = "exceed" if total > 1 else "do not reach"
        raise InputError(
            where,
            f"the shares {excess} 1: they sum to {format_number(total)}",
            "Make them sum to 100%, or give tokens as weights (all above 1)",
        )
    return dict(mixture)
