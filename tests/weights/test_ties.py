"""TIES by hand, and what must hold for any models."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.weights.ties import elect_and_average, smallest_kept, ties

VALUES = st.floats(-8, 8, width=32)
SHAPES = {"a": (2, 3), "b": (4,)}
at_any_speed = settings(deadline=None)  # a busy machine is no defect of the merge


@st.composite
def weights(draw: st.DrawFn) -> dict[str, torch.Tensor]:
    return {
        name: torch.tensor(draw(st.lists(VALUES, min_size=n, max_size=n))).reshape(shape)
        for name, shape in SHAPES.items()
        for n in [torch.Size(shape).numel()]
    }


def vector(*values: float) -> dict[str, torch.Tensor]:
    return {"w": torch.tensor(values, dtype=torch.float32)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_by_hand() -> None:
    base = vector(1, 1, 1, 1, 1)
    one = vector(1 + 5, 1 - 4, 1 + 3, 1 + 2, 1 + 1)
    other = vector(1 + 1, 1 + 2, 1 + 4, 1 - 3, 1 - 5)
    # Three of five stay: (5, −4, 3, 0, 0) and (0, 0, 4, −3, −5).
    assert ties(base, [one, other], 0.6, 1.0)["w"].tolist() == [6, -3, 4.5, -2, -4]
    assert ties(base, [one, other], 0.6, 0.5)["w"].tolist() == [3.5, -1, 2.75, -0.5, -1.5]
    # All stay; where signs differ the larger mass wins, and the loser is not in the mean.
    assert ties(base, [one, other], 1, 1.0)["w"].tolist() == [4, -3, 4.5, -2, -4]


def test_one_threshold_for_the_whole_model() -> None:
    base = {"still": torch.zeros(2), "moved": torch.zeros(2)}
    model = {"still": torch.tensor([0.1, 0.2]), "moved": torch.tensor([1.0, -2.0])}
    merged = ties(base, [model], 0.5, 1.0)
    assert merged["still"].tolist() == [0, 0]
    assert merged["moved"].tolist() == [1, -2]


def test_the_sign_with_more_mass_wins_though_fewer_models_have_it() -> None:
    assert elect_and_average(torch.tensor([[5.0], [-1.0], [-2.0]])).tolist() == [5]
    assert elect_and_average(torch.tensor([[2.5], [-1.0], [-2.0]])).tolist() == [-1.5]
    assert elect_and_average(torch.tensor([[3.0], [-1.0], [-2.0]])).tolist() == [0]
    assert elect_and_average(torch.tensor([[0.0], [4.0], [0.0]])).tolist() == [4]


@at_any_speed
@given(weights(), weights())
def test_one_whole_model_gives_that_model_back(
    base: dict[str, torch.Tensor], model: dict[str, torch.Tensor]
) -> None:
    for models in ([model], [model, model]):
        for name, tensor in ties(base, models, 1, 1.0).items():
            torch.testing.assert_close(tensor, model[name], rtol=2**-23, atol=2**-50)


@at_any_speed
@given(weights(), st.lists(weights(), min_size=2, max_size=4), st.floats(0.05, 1), st.data())
def test_the_order_of_models_changes_nothing(
    base: dict[str, torch.Tensor],
    models: list[dict[str, torch.Tensor]],
    density: float,
    data: st.DataObject,
) -> None:
    shuffled = data.draw(st.permutations(models))
    assert same(ties(base, models, density, 0.7), ties(base, shuffled, density, 0.7))


@at_any_speed
@given(weights(), st.lists(weights(), min_size=1, max_size=3), st.floats(0.05, 1))
def test_nothing_is_merged_where_no_model_moved_and_nothing_beyond_the_farthest(
    base: dict[str, torch.Tensor], models: list[dict[str, torch.Tensor]], density: float
) -> None:
    assert same(ties(base, [base, base], density, 1.0), base)
    merged = ties(base, models, density, 1.0)
    for name in base:
        moved = torch.stack([model[name] - base[name] for model in models]).abs().amax(0)
        assert ((merged[name] - base[name]).abs() <= moved + 1e-5).all()


@at_any_speed
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1), st.data())
def test_the_threshold_is_that_of_sorting(values: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(1, len(values)))
    cut = data.draw(st.integers(0, len(values)))
    tensors = [torch.tensor(part, dtype=torch.float32) for part in (values[:cut], values[cut:])]
    expected = sorted((abs(value) for value in values), reverse=True)[count - 1]
    assert smallest_kept(tensors, count) == expected


@pytest.mark.parametrize(("density", "kept"), [(Fraction(1, 5), 20), (0.2, 20), (0.001, 1)])
def test_the_density_is_the_share_that_stays(density: Fraction | float, kept: int) -> None:
    base = {"a": torch.zeros(60), "b": torch.zeros(8, 5)}
    generator = torch.Generator().manual_seed(1)
    model = {name: torch.randn(t.shape, generator=generator) for name, t in base.items()}
    merged = ties(base, [model], density, 1.0)
    assert sum(int((tensor != 0).sum()) for tensor in merged.values()) == kept
