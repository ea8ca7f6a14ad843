"""A weight for each model of a merge: what it is called, and which names merges have."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan.merge_method import MergeMethod, merged_name, ties

ONE, TWO = ("000000005-" + letter * 40 for letter in "ab")
BASE = "000000003-" + "c" * 40


def weighted(*weights: object) -> MergeMethod:
    return MergeMethod("task-arithmetic", weights=tuple(Fraction(str(w)) for w in weights))


def test_names_of_merges_that_are_stored_already_stay() -> None:
    """Stored merges are found by them; these are of the version before weights for each model."""
    half = MergeMethod("linear", Fraction(1, 2))
    assert merged_name(half, BASE, [ONE]) == "000000000-3715b4dbe1293719b47f6d6cac848719"
    sums = MergeMethod("task-arithmetic", Fraction(3, 10))
    assert merged_name(sums, BASE, [ONE, TWO]) == "000000000-ef1e66a5f9d67a3840fb5ab1ee0decdc"
    assert merged_name(ties(0.2, 0.9), BASE, [ONE]) == "000000000-471eb9ffa7736c457bddf7586227dd7a"


def test_the_name_of_a_merge_with_a_weight_for_each() -> None:
    """Measured merges are found by it; a change of meaning needs a new `_FORMAT`."""
    assert (
        merged_name(weighted(0.3, 0.7), BASE, [ONE, TWO])
        == "000000000-4b1c6739bdc48f0a7cf43d7c3a5fb9fe"
    )


@given(st.permutations([(ONE, Fraction(3, 10)), (TWO, Fraction(7, 10)), (BASE, Fraction(0))]))
def test_models_come_in_any_order_and_keep_their_weights(
    pairs: list[tuple[str, Fraction]],
) -> None:
    models, weights = zip(*pairs, strict=True)
    method, order = MergeMethod("task-arithmetic", weights=weights).in_order(models)
    assert order == (BASE, ONE, TWO)
    assert method.weights == (Fraction(0), Fraction(3, 10), Fraction(7, 10))


def test_other_weights_make_another_merge() -> None:
    methods = [weighted(0.3, 0.7), weighted(0.7, 0.3), weighted(0.3, 0.3), weighted(0.3, 0.70001)]
    methods.append(MergeMethod("task-arithmetic", Fraction(3, 10)))
    assert len({merged_name(method, BASE, [ONE, TWO]) for method in methods}) == 5


def test_one_weight_for_all_sorts_models_alone() -> None:
    method = MergeMethod("linear", Fraction(1, 2))
    assert method.in_order([TWO, ONE]) == (method, (ONE, TWO))


def test_they_are_shown_as_the_command_takes_them() -> None:
    assert weighted("0.3", "-1.25").text == "0.3,-1.25"


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match=r"2 weights for 1 models. Give one for each model"):
        weighted(1, 2).in_order([ONE])
    with pytest.raises(InputError, match="weight 1001: beyond 1000"):
        weighted(0.5, 1001)
    with pytest.raises(InputError, match="of task-arithmetic alone"):
        MergeMethod("linear", weights=(Fraction(1),))
