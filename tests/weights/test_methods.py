"""The formula of each method against a plain computation, and the names of merges."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan.merge_method import MergeMethod, merged_name, ties
from raycl.weights.methods import formula
from raycl.weights.ties import ties as ties_of

SEEDS = st.integers(0, 2**31)


def drawn(seed: int, count: int) -> list[torch.Tensor]:
    """Weights of very different sizes: differences of them are not exact in float32."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, 3, 4)
    sizes = 10.0 ** torch.randint(-6, 3, shape, generator=generator)
    return list((torch.randn(shape, generator=generator) * sizes).float())


def merged(method: MergeMethod, base: torch.Tensor, models: Sequence[torch.Tensor]) -> torch.Tensor:
    pairs = [[(base, model)] for model in models]
    return formula(method, pairs, base.numel())(base, models)


def weighed(kind: str, weight: Fraction | int | str) -> MergeMethod:
    return MergeMethod(kind, Fraction(weight))  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 3), st.fractions(0, 1, max_denominator=100))
def test_linear(seed: int, count: int, weight: Fraction) -> None:
    base, *models = drawn(seed, count + 1)
    share = float(weight)
    expected = (1 - share) * base.double() + share * sum(m.double() / count for m in models)
    found = merged(weighed("linear", weight), base, models)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=0)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_the_ends_of_linear_are_the_models_to_the_bit(seed: int) -> None:
    base, model = drawn(seed, 2)
    assert torch.equal(merged(weighed("linear", 0), base, [model]), base)
    assert torch.equal(merged(weighed("linear", 1), base, [model]), model)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 3), st.fractions(-2, 2, max_denominator=100))
def test_task_arithmetic(seed: int, count: int, weight: Fraction) -> None:
    base, *models = drawn(seed, count + 1)
    changes = sum((m.double() - base.double() for m in models), torch.zeros(()).double())
    expected = base.double() + float(weight) * changes
    found = merged(weighed("task-arithmetic", weight), base, models)
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=0)


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_task_arithmetic_with_1_is_the_model_to_rounding(seed: int) -> None:
    base, model = drawn(seed, 2)
    found = merged(weighed("task-arithmetic", 1), base, [model])
    # What is left of a weight near 0 is the rounding of the two that were subtracted.
    rounding = float(torch.finfo(torch.float64).eps * (base.abs() + model.abs()).max())
    torch.testing.assert_close(found, model, rtol=1e-6, atol=rounding)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.fractions(-1, 2, max_denominator=100))
def test_instruct_residual(seed: int, weight: Fraction) -> None:
    start, continued, instruct = drawn(seed, 3)
    residual = instruct.double() - start.double()
    expected = continued.double() + float(weight) * residual
    found = merged(weighed("instruct-residual", weight), start, [continued, instruct])
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=0)
    unchanged = merged(weighed("instruct-residual", weight), start, [continued, start])
    assert torch.equal(unchanged, continued)


def test_ties_is_behind_the_same_function() -> None:
    base, one, other = drawn(3, 3)
    found = merged(ties(0.5, 0.9), base, [one, other])
    expected = ties_of({"a": base}, [{"a": one}, {"a": other}], Fraction(1, 2), 0.9)["a"]
    assert torch.equal(found, expected)


def test_stored_merges_keep_their_names() -> None:
    """These were made by earlier versions, whose only method was TIES."""
    first = merged_name(ties(Fraction(1, 5)), "a", ["b", "c"])
    assert first == "000000000-092045fb71e319fb23ad596c51cf8b67"
    assert merged_name(ties(0.5, 0.9), "a", ["b"]) == "000000000-0566afaf2207c1f22730492587d6c6cc"


def test_other_merges_have_other_names() -> None:
    methods = [
        ties(0.5),
        weighed("linear", "1/2"),
        weighed("linear", "1/4"),
        weighed("task-arithmetic", "1/2"),
        weighed("instruct-residual", "1/2"),
    ]
    names = {merged_name(method, "a", ["b"]) for method in methods}
    names |= {merged_name(methods[1], "a", ["c"]), merged_name(methods[1], "b", ["b"])}
    assert len(names) == len(methods) + 2


@pytest.mark.parametrize("weight", ["-1/10", "11/10"])
def test_a_linear_weight_is_a_share(weight: str) -> None:
    with pytest.raises(InputError, match=r"weight -?1+0%: not a share"):
        weighed("linear", weight)
    assert weighed("task-arithmetic", weight).weight == Fraction(weight)


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.lists(st.fractions(-2, 2, max_denominator=100), min_size=1, max_size=3))
def test_a_weight_for_each_model(seed: int, weights: list[Fraction]) -> None:
    base, *models = drawn(seed, len(weights) + 1)
    expected = base.double()
    changes = torch.zeros_like(expected)
    for model, weight in zip(models, weights, strict=True):
        changes += float(weight) * (model.double() - base.double())
    found = merged(MergeMethod("task-arithmetic", weights=tuple(weights)), base, models)
    torch.testing.assert_close(found, (expected + changes).float(), rtol=1e-6, atol=1e-12)
    assert found.dtype == base.dtype


def test_one_hot_weights_give_the_model() -> None:
    base, one, two = (torch.tensor([x]) for x in (1.0, 3.0, -2.0))
    method = MergeMethod("task-arithmetic", weights=(Fraction(0), Fraction(1)))
    assert torch.equal(merged(method, base, [one, two]), two)
