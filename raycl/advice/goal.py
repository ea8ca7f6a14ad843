"""What a user wants of a model, as one number of each recipe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from raycl.advice.setting import Setting
from raycl.errors import InputError
from raycl.recipe.schema.search import AVERAGE, Objective
from raycl.results.metrics.tasks import score_falls
from raycl.results.objective import column, measured_rows
from raycl.results.outcome import BASELINES, RecipeOutcome
from raycl.results.report.table import averages_are_alike
from raycl.results.search_results import objective_of

NATS = "nats/token"
_WHERE = "--objective"
_HIGH_IS_GOOD = ("adaptation", "backward_transfer", "forward_transfer", "task/")
_NOT_RELATED = ("rows", "epochs", "weight/", "state", "status", "kind", "recipe", "seed")


@dataclass(frozen=True)
class Goal:
    """One number of each recipe, by which settings are compared."""

    name: str
    """In words, as it stands in a sentence: "average loss", "loss on german"."""
    values: tuple[float, ...]
    """One for each line of the results table; NaN where it is not measured."""
    sign: int = 1
    """1 where low is good, -1 where high is."""
    unit: str = NATS
    allowed: tuple[bool, ...] = ()
    """For each line whether it keeps all bounds; empty where there are none."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Corpora of whose final losses it is the mean, with their weights; empty where it is not."""


def goal_of(
    outcomes: Sequence[RecipeOutcome], table: pd.DataFrame, asked: str | None = None
) -> Goal | None:
    """The goal that is asked for, else that of the sweep's search, else the average.

    Where averages do not compare it is the gap to the union. None where nothing compares all
    recipes. The bounds of a search are kept whatever is asked for. Raises InputError where what is
    asked for is no number of the table.
    """
    objective = objective_of(outcomes)
    goal = _goal(table, objective, asked)
    if goal is None or objective is None or not objective.subject_to:
        return goal
    rows = measured_rows(table, objective)
    return replace(goal, allowed=tuple(row.is_allowed for row in rows))


def _goal(table: pd.DataFrame, objective: Objective | None, asked: str | None) -> Goal | None:
    if asked is not None:
        return _asked(table, asked)
    if objective is not None and len(objective.goals) == 1:
        return _column_goal(table, objective.goals[0], objective.signs[0])
    if averages_are_alike(table):
        return _column_goal(table, AVERAGE)
    gaps = table.get("gap_to_union")
    return None if gaps is None or gaps.isna().all() else _column_goal(table, "gap_to_union")


def wanted_text(outcomes: Sequence[RecipeOutcome], goal: Goal) -> str:
    """What recipes are compared by, bounds included."""
    text = f"{'lowest' if goal.sign == 1 else 'highest'} {goal.name}"
    objective = objective_of(outcomes)
    bounds = objective.subject_to if goal.allowed and objective is not None else {}
    return ", ".join([text, *(f"{name} at most {bound:g}" for name, bound in bounds.items())])


def _asked(table: pd.DataFrame, asked: str) -> Goal:
    if "=" in asked:
        return _weighted(table, asked)
    name = asked.strip()
    rises = name.startswith(_HIGH_IS_GOOD) and not (name.startswith("task/") and score_falls(name))
    return _column_goal(table, name, -1 if rises else 1, strict=True)


def _weighted(table: pd.DataFrame, asked: str) -> Goal:
    weights: dict[str, float] = {}
    for part in asked.split(","):
        name, _, number = (text.strip() for text in part.partition("="))
        try:
            weights[name] = float(number)
        except ValueError:
            weights[name] = math.nan
        if not 0 <= weights[name] < math.inf:
            problem = f"{part.strip()!r} gives no weight of zero or more"
            raise InputError(_WHERE, problem, "Write english=0.7,german=0.3")
        if f"loss/{name}" not in table:
            raise _unknown(table, name)
    total = math.fsum(weights.values())
    if total == 0:
        raise InputError(_WHERE, "all weights are zero", "Write english=0.7,german=0.3")
    parts = [table[f"loss/{name}"] * weight / total for name, weight in weights.items()]
    text = " + ".join(f"{weight / total:.3g} {name}" for name, weight in weights.items())
    values = tuple(sum(parts[1:], start=parts[0]).astype(float))
    shares = {name: weight / total for name, weight in weights.items()}
    return Goal(f"loss of {text}", values, weights=shares)


def _column_goal(table: pd.DataFrame, name: str, sign: int = 1, strict: bool = False) -> Goal:
    values = column(table, name, worst=sign)
    if strict and values.isna().all():
        raise _unknown(table, name)
    corpus = name.removeprefix("loss/") if f"loss/{name.removeprefix('loss/')}" in table else ""
    words = {AVERAGE: "average loss", "gap_to_union": "gap to the union"}
    measure, _, of = name.partition("/")
    plain = f"{measure.replace('_', ' ')} of {of}" if of else name.replace("_", " ")
    said = f"loss on {corpus}" if corpus else words.get(name, plain)
    weights = {corpus: 1.0} if corpus else _average_weights(table) if name == AVERAGE else {}
    unit = NATS if corpus else _unit(measure)
    return Goal(said, tuple(values.astype(float)), sign, unit, weights=weights)


def _average_weights(table: pd.DataFrame) -> dict[str, float]:
    """Each corpus' weight in the average of the recipes, which is the same for all of them."""
    names = [str(name) for name in table.columns if str(name).startswith("weight/")]
    rows = table.loc[~table["kind"].isin(BASELINES), names].dropna()
    if rows.empty:
        return {}
    return {name.removeprefix("weight/"): float(rows[name].iloc[0]) for name in names}


def _unit(measure: str) -> str:
    if measure == "task":
        return ""
    if "bits_per_byte" in measure:
        return "bits/byte"
    return "tokens" if measure.endswith("tokens") or measure == "tokens_to_union" else NATS


def _unknown(table: pd.DataFrame, name: str) -> InputError:
    numbers = map(str, table.select_dtypes("number"))
    known = [c for c in numbers if not c.startswith(_NOT_RELATED) and table[c].notna().any()]
    remedy = f"Give one of {', '.join(known)}, or weights: english=0.7,german=0.3"
    if not known:
        remedy = "Wait until a recipe is finished"
    return InputError(f"{_WHERE} {name!r}", "no recipe has a number of this name", remedy)


def settings_of(outcomes: Sequence[RecipeOutcome], goal: Goal) -> list[Setting]:
    """The finished settings among outcomes that are no baselines, with the values of their seeds.

    A setting of several seeds has those that are finished and have a value.
    """
    groups: dict[str, list[int]] = {}
    for place, outcome in enumerate(outcomes):
        known = outcome.status == "finished" and not math.isnan(goal.values[place])
        if not outcome.is_baseline and outcome.stages and known:
            groups.setdefault(outcome.setting or outcome.label, []).append(place)
    return [
        Setting(
            name,
            tuple(sorted((outcomes[place] for place in places), key=lambda o: o.seed)),
            {outcomes[place].seed: goal.values[place] for place in places},
            all(goal.allowed[place] for place in places) if goal.allowed else True,
        )
        for name, places in groups.items()
    ]
