"""The weights that a merge search proposes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe.schema import MergeSearch
from raycl.search import merge_weights
from raycl.search.merge_weights import KnownMerge, Weights, check_sampler, next_weights

FIRST = [(Fraction("0.5"),) * 2, (Fraction(1),) * 2]


def settings(**fields: Any) -> MergeSearch:
    return MergeSearch.model_validate({"sampler": "random", **fields})


def search(chosen: MergeSearch, count: int, loss: Callable[[Weights], float]) -> list[KnownMerge]:
    known: list[KnownMerge] = []
    for _ in range(count):
        weights = next_weights(chosen, FIRST, known)
        assert weights is not None
        known.append(KnownMerge(weights, loss(weights)))
    return known


def bowl(weights: Weights) -> float:
    """Lowest at 0.8, 0.3."""
    return float((weights[0] - Fraction("0.8")) ** 2 + (weights[1] - Fraction("0.3")) ** 2)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_proposals_lie_in_the_range_are_new_and_have_two_decimals(sampler: str) -> None:
    known = search(settings(sampler=sampler, weights={"uniform": [-1, "0.5"]}), 20, bowl)
    weights = [one.weights for one in known]
    assert len(set(weights)) == 20
    assert weights[0] == FIRST[0]
    assert FIRST[1] not in weights  # 1 is out of the range
    assert all(-1 <= w <= Fraction(1, 2) for pair in weights for w in pair)
    assert all((w * 100).denominator == 1 for pair in weights for w in pair)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_goes_on_as_it_would_have(sampler: str) -> None:
    chosen = settings(sampler=sampler, seed=4)
    known = search(chosen, 16, bowl)
    assert search(chosen, 16, bowl) == known
    assert next_weights(chosen, FIRST, known[:13]) == known[13].weights
    assert search(settings(sampler=sampler, seed=5), 16, bowl) != known


def test_tpe_learns_where_merges_are_good() -> None:
    def best(sampler: str, seed: int) -> float:
        return min(one.objective for one in search(settings(sampler=sampler, seed=seed), 40, bowl))

    learned = [best("tpe", seed) for seed in range(5)]
    chance = [best("random", seed) for seed in range(5)]
    assert sum(learned) < sum(chance) / 2


def test_losses_that_are_not_finite_stop_nothing() -> None:
    known = search(settings(sampler="tpe"), 14, lambda _: float("inf"))
    assert len({one.weights for one in known}) == 14


def test_a_sampler_that_proposes_what_is_known_has_nothing_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Stubborn:
        def ask(self, *_: object) -> dict[str, float]:
            return {"0": 0.25, "1": 0.75}

    monkeypatch.setattr(merge_weights, "_sampler", lambda *_: Stubborn())
    known = [KnownMerge(weights, 0.0) for weights in FIRST]
    assert next_weights(settings(), FIRST, known) == (Fraction(1, 4), Fraction(3, 4))
    known.append(KnownMerge((Fraction(1, 4), Fraction(3, 4)), 0.0))
    assert next_weights(settings(), FIRST, known) is None


def test_without_optuna_chance_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    check_sampler(settings())
    with pytest.raises(InputError, match=r"tpe: it needs Optuna.*Run `pip install"):
        check_sampler(settings(sampler="tpe"))
