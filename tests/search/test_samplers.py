"""Every sampler on a toy function: it repeats itself, keeps to the space and learns."""

from __future__ import annotations

import math
import random
import sys
import warnings
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe import parse_recipe
from raycl.recipe.space import Fields, Space, space_of
from raycl.search.samplers import History, Known, Rung, Sampler, make_sampler
from raycl.units import parse_number
from tests.helpers.recipe_data import WHERE, recipe_data

GRID: dict[str, Any] = {
    "new.schedule.max_lr": {"log": ["1e-4", "1e-2"]},
    "new.replay": {"uniform": ["0%", "50%"]},
    "new.steps": {"integers": [10, 400]},
    "new.at_end": ["repeat", "stop"],
}
OPTUNA = ["tpe", "nsga2", pytest.param("gp", marks=pytest.mark.slow)]
ALL = ["random", *OPTUNA, "tune:HyperOptSearch", "tune:OptunaSearch"]


def made(name: str, grid: Any = None, **search: Any) -> tuple[Space, Sampler]:
    search = {"trials": 30, "sampler": name, **search}
    recipe = parse_recipe(recipe_data(sweep=grid or GRID, search=search), WHERE)
    assert recipe.search is not None
    space = space_of(recipe)
    return space, make_sampler(recipe.search, space)


def height(fields: Fields) -> float:
    """Lowest, 0, at a rate of 1e-3, 20 % of replay and 200 steps with `stop`."""
    rate = math.log10(parse_number(fields["new.schedule.max_lr"])) + 3
    share = 10 * (float(parse_number(fields["new.replay"])) - 0.2)
    steps = (fields["new.steps"] - 200) / 100
    wrong = fields["new.at_end"] == "repeat"
    return float(rate**2 + share**2 + steps**2 + wrong)


def known(space: Space, count: int, goals: int = 1) -> list[Known]:
    """Points of the space with their heights."""
    points = [space.draw(random.Random(seed)) for seed in range(count)]
    return [Known(p, (height(p), height(p) ** 2)[:goals], (-1.0,)) for p in points]


@pytest.mark.parametrize("name", ALL)
def test_a_point_fits_the_space_and_equal_questions_have_equal_answers(name: str) -> None:
    space, sampler = made(name)
    history = History(known(space, 12), [known(space, 13)[-1].fields])
    points = [sampler.ask(history, seed) for seed in (1, 2)]
    assert all(space.fits(point) for point in points)
    assert space.key(points[0]) != space.key(points[1])
    assert sampler.ask(history, 1) == points[0]
    assert made(name)[1].ask(history, 1) == points[0]
    assert space.fits(sampler.ask(History(), 1))


@pytest.mark.parametrize("name", ["tpe", "nsga2", "tune:HyperOptSearch"])
def test_what_is_known_changes_what_is_proposed(name: str) -> None:
    space, sampler = made(name)
    few, many = History(known(space, 1)), History(known(space, 40))
    assert sampler.ask(few, 1) != sampler.ask(many, 1)


def test_recipes_at_rungs_teach_the_parzen_estimators() -> None:
    """With early stopping most recipes never get further: what they show must not be lost."""
    space, sampler = made("tpe")
    points = [one.fields for one in known(space, 40)]
    rungs = [Rung(fields, 20, height(fields)) for fields in points]
    asked = [sampler.ask(History(at_rungs=rungs), seed) for seed in range(20)]
    assert sum(map(height, asked)) / 20 < 0.5 * sum(map(height, points)) / 40


@pytest.mark.parametrize("name", ["nsga2", "tune:HyperOptSearch"])
def test_to_other_samplers_they_are_still_running(name: str) -> None:
    space, sampler = made(name)
    told, waiting = known(space, 12), [known(space, 13)[-1].fields]
    rungs = [Rung(fields, 20, 1.0) for fields in waiting]
    running = sampler.ask(History(told, waiting), 1)
    assert sampler.ask(History(told, at_rungs=rungs), 1) == running


@pytest.mark.parametrize("name", ["tpe", "tune:HyperOptSearch"])
def test_a_sampler_that_learns_comes_nearer_than_chance(name: str) -> None:
    space, sampler = made(name)
    found = known(space, 10)
    for seed in range(30):
        point = sampler.ask(History(tuple(found)), seed)
        found.append(Known(point, (height(point),)))
    by_chance = sum(k.objectives[0] for k in known(space, 40)[10:] if k.objectives) / 30
    learned = sum(k.objectives[0] for k in found[25:] if k.objectives) / 15
    assert learned < by_chance / 2


@pytest.mark.parametrize("name", OPTUNA)
def test_several_objectives_bounds_and_failures_are_taken(name: str) -> None:
    space, sampler = made(name, objective=["old", "new"])
    points = known(space, 13, goals=2)
    some = [
        *points[:10],
        Known(points[10].fields, None),
        Known(points[11].fields, (math.inf, 1.0), (2.0,)),
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        point = sampler.ask(History(some, [points[12].fields]), 3)
    assert space.fits(point)


def test_a_failure_is_told_to_a_searcher_of_ray_tune() -> None:
    space, sampler = made("tune:HyperOptSearch")
    some = known(space, 4)
    history = History([*some[:3], Known(some[3].fields, None)], [known(space, 5)[-1].fields])
    assert space.fits(sampler.ask(history, 3))


def test_a_bound_that_is_broken_drives_points_away() -> None:
    grid = {"new.steps": {"integers": [0, 100]}}
    _, sampler = made("tpe", grid, objective={"minimize": "new", "subject_to": {"old": 1}})
    # The fewer steps the better, and fewer than 50 are not allowed.
    told = [
        Known({"new.steps": steps}, (float(steps),), (50.0 - steps,)) for steps in range(0, 101, 5)
    ]
    points = [sampler.ask(History(told), seed)["new.steps"] for seed in range(20)]
    free = [Known(one.fields, one.objectives) for one in told]
    without = [sampler.ask(History(free), seed)["new.steps"] for seed in range(20)]
    assert sum(points) / 20 > sum(without) / 20 + 20


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tune:NoSuchSearch", "Ray Tune has no such searcher here. Known: .*HyperOptSearch"),
        ("tune:Repeater", "tune:Repeater: "),
        ("tune:AxSearch", "Ray Tune cannot make it: .*Give another sampler"),
    ],
)
def test_a_searcher_that_cannot_be_used_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(name)


def test_a_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"needs Optuna.*pip install .*optuna.*or give .*`random`"):
        made("tpe")
    assert made("random")
