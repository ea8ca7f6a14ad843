"""What a recipe learned before and what is new in it: the two sides of the paper's average."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from raycl.results.outcome import RecipeOutcome, new_in

Weights = Mapping[str, float]
"""Corpora and their weights within a side, which sum to 1. A side may be empty."""


@dataclass(frozen=True)
class Sides:
    """The corpora learned before the last stage and those new in it, each with its weight.

    With the weights w of both sides, the paper's AVG (§5.1, Table 2) of the final losses R is

        AVG = (Σ_d w_old[d] R[d] + Σ_d w_new[d] R[d]) / 2

    and with one side alone, that side's mean. Corpora on no side are in no average.
    """

    old: Weights = field(default_factory=dict)
    new: Weights = field(default_factory=dict)

    @property
    def weights(self) -> dict[str, float]:
        """Each corpus' weight in the average; they sum to 1, or there are none."""
        sides = [side for side in (self.old, self.new) if side]
        return _summed((side, 1 / len(sides)) for side in sides)


def own_sides(outcome: RecipeOutcome) -> Sides:
    """The sides that the outcome's own stages define.

    Old is the union of all that earlier stages k learned, by the tokens T_k with which they did:
    w_old[d] = Σ_k T_k m_k[d] / Σ_k T_k, where m_k is the mixture of the stage's new data. (It is
    the rule by which the authors' configs split replay over several stages, §4, without replay's
    own share: recipes that differ in replay alone have the same sides.) Corpora that are replayed
    and new in no stage were learned before the first one. As nobody knows with how many tokens,
    each counts alike, and together as much as all earlier stages. So do stand-ins for what the
    start knows, replayed or not, unless the recipe gives their tokens: then these count as T_k do.

    New is the last stage's mixture, without what is old; where all of it is old, the mixture.
    """
    if not outcome.stages:
        return Sides()
    last = outcome.stages[-1].mixture
    old = _learned_before(outcome)
    fresh = {corpus: share for corpus, share in last.items() if corpus not in old}
    return Sides(old, _normalised(fresh or last))


def sides_of(outcomes: Sequence[RecipeOutcome]) -> list[Sides | None]:
    """The sides with which each outcome of a sweep is measured.

    A branch has those of its trunk. A baseline learned in another order and has none of its own: it
    has those of the recipes where all of them have the same, and None where they differ.
    """
    recipes = {o.label: own_sides(o) for o in outcomes if not _measured_as_others(o)}
    complete = [sides for sides in recipes.values() if sides.old]
    recipes = {label: _with_old(sides, complete) for label, sides in recipes.items()}
    every = list(recipes.values())
    common = every[0] if every and all(sides == every[0] for sides in every) else None
    found: list[Sides | None] = []
    for outcome in outcomes:
        label = outcome.branch.trunk if outcome.branch else outcome.label
        if outcome.is_baseline:
            found.append(common if every else own_sides(outcome))
        else:
            found.append(recipes.get(label) or own_sides(outcome))
    return found


def differ(outcomes: Sequence[RecipeOutcome]) -> bool:
    """Whether the recipes' averages are over other corpora, or with other weights."""
    pairs = zip(sides_of(outcomes), outcomes, strict=True)
    sides = [own for own, outcome in pairs if not outcome.is_baseline]
    return any(own != sides[0] for own in sides)


def side_mean(values: Mapping[str, float], weights: Weights) -> float:
    """The weighted mean over the corpora of `values`; they are weighed alike without weights."""
    chosen = {corpus: weights.get(corpus, 0.0) for corpus in values}
    if not sum(chosen.values()):
        chosen = dict.fromkeys(values, 1.0)
    return sum(share * values[corpus] for corpus, share in _normalised(chosen).items())


def _measured_as_others(outcome: RecipeOutcome) -> bool:
    return outcome.is_baseline or outcome.branch is not None


def _learned_before(outcome: RecipeOutcome) -> Weights:
    stages = outcome.stages
    counted = {corpus: float(seen) for corpus, seen in outcome.knows.items() if seen is not None}
    parts = [(new_in(outcome, stage), float(stage.tokens)) for stage in stages[:-1]]
    taught = _summed([(counted, 1.0), *parts])
    new = {corpus for stage in stages for corpus in stage.new}
    known = {c: 1.0 for stage in stages for c in stage.replayed if c not in new}
    known |= dict.fromkeys(outcome.knows, 1.0)
    known = {corpus: weight for corpus, weight in known.items() if corpus not in counted}
    both = [_normalised(part) for part in (taught, known) if part]
    return _normalised(_summed((part, 1.0) for part in both))


def _with_old(sides: Sides, complete: Iterable[Sides]) -> Sides:
    """The sides with an old side: where a recipe replays nothing of what its start knew.

    Another recipe of the sweep replays it and so says what it is. Both are measured alike.
    """
    if sides.old:
        return sides
    return next((other for other in complete if other.new == sides.new), sides)


def _summed(parts: Iterable[tuple[Weights, float]]) -> dict[str, float]:
    total: dict[str, float] = {}
    for weights, factor in parts:
        for corpus, weight in weights.items():
            total[corpus] = total.get(corpus, 0.0) + factor * weight
    return total


def _normalised(weights: Weights) -> dict[str, float]:
    """The weights divided by their sum, rounded so that equal ones compare as equal."""
    total = sum(weights.values())
    return {corpus: round(weight / total, 12) for corpus, weight in weights.items()}
