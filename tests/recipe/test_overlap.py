"""Fields of a sweep and overrides of which nothing would be read are refused."""

from __future__ import annotations

from typing import Any

import pytest

from raycl.errors import InputError
from raycl.recipe import parse_recipe
from raycl.recipe.checks import check_fields
from tests.helpers.recipe_data import SCHEDULE, WHERE, recipe_data

RATES = ["1e-3", "2e-3"]


def check(sweep: Any, *overrides: str, stages: int = 2) -> None:
    data = recipe_data(sweep=sweep)
    more = [{"name": f"s{number}", "steps": 4, "schedule": SCHEDULE} for number in range(2, stages)]
    data["stages"] += more
    check_fields(parse_recipe(data, WHERE), WHERE, overrides)


@pytest.mark.parametrize(
    ("grid", "stages"),
    [
        ({"new.schedule.max_lr": RATES, "new.schedule": [SCHEDULE]}, 2),
        ({"later.replay": ["0%", "50%"], "new.replay": ["0%", "25%"]}, 2),
        ({"new.replay": ["0%", "50%"], "later.replay": ["0%", "25%"]}, 3),
        ({"later.replay": ["0%"], "new.replay": ["5%"], "s2.replay": ["5%"]}, 3),
        ({"new.schedule.max_lr": RATES, "later.schedule": [SCHEDULE]}, 3),
        ({"new.replay": ["0%", "5%"], "stages": [[]]}, 2),
        ({"model.config.hidden_size": [32, 64], "model": [{"preset": "gpt-neox-tiny"}]}, 2),
    ],
)
def test_a_field_that_a_later_one_replaces(grid: dict[str, Any], stages: int) -> None:
    with pytest.raises(InputError, match="replaces it, so that its values would not be read"):
        check([{"new.replay": ["1%"]}, {"label": "x", **grid}], stages=stages)


@pytest.mark.parametrize(
    ("grid", "stages"),
    [
        ({"new.schedule": [SCHEDULE], "new.schedule.max_lr": RATES}, 2),
        ({"later.replay": ["0%", "50%"], "new.replay": ["5%"]}, 3),
        ({"new.schedule.max_lr": RATES, "new.schedule.max_lr_of": [1]}, 2),
        ({"old.schedule.max_lr": RATES, "later.schedule": [SCHEDULE]}, 2),
    ],
)
def test_a_field_of_which_something_is_left(grid: dict[str, Any], stages: int) -> None:
    check([grid], stages=stages)


def test_an_override_that_nothing_reads() -> None:
    swept = {"later.replay": ["0%", "5%"]}
    for override in ("new.replay", "later.replay"):
        with pytest.raises(InputError, match=r"--set .*replay': the sweep gives this field its"):
            check(swept, override)


def test_an_override_that_something_reads() -> None:
    check([{"new.replay": ["0%"]}, {"new.schedule.max_lr": RATES}], "new.replay")
    check([], "new.schedule", "new.schedule.max_lr", "seed", "seed")
    check({"new.schedule.max_lr": RATES}, "new.schedule")
