"""One outcome a setting, with the mean of its curves over seeds, for figures and sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from raycl.results.outcome import VALIDATION, BranchFact, RecipeOutcome

SPREAD = "spread/"
"""What stands before a corpus in the column with the standard deviation of its losses."""


def mean_outcomes(outcomes: Sequence[RecipeOutcome]) -> list[RecipeOutcome]:
    """The outcomes as they are without seeds; else one for each setting, under its name.

    Its validation losses are means over the seeds that have done as many steps as any of them, with
    their sample standard deviation beside them; all else is that of the first of these seeds.
    """
    if not any(outcome.setting for outcome in outcomes):
        return list(outcomes)
    settings: dict[str, list[RecipeOutcome]] = {}
    for outcome in outcomes:
        settings.setdefault(outcome.setting or outcome.label, []).append(outcome)
    names = {outcome.label: name for name, group in settings.items() for outcome in group}
    return [_mean(name, group, names) for name, group in settings.items()]


def _mean(name: str, group: Sequence[RecipeOutcome], names: dict[str, str]) -> RecipeOutcome:
    steps = max(outcome.steps for outcome in group)
    furthest = [outcome for outcome in group if outcome.steps == steps]
    first = furthest[0]
    branch = first.branch and _named(first.branch, names)
    merged_from = names.get(first.merged_from, first.merged_from)
    made = replace(first, label=name, setting="", seed=0, branch=branch, merged_from=merged_from)
    if len(furthest) == 1:
        return made
    corpora = dict.fromkeys(c for outcome in furthest for c in outcome.measured)
    measured = {c: _mean_of(o.measured.get(c, math.nan) for o in furthest) for c in corpora}
    return replace(made, history=_mean_history(furthest), measured=measured)


def _named(branch: BranchFact, names: dict[str, str]) -> BranchFact:
    return replace(branch, trunk=names.get(branch.trunk, branch.trunk))


def _mean_of(values: Iterable[float]) -> float:
    found = list(values)
    return math.fsum(found) / len(found)


def _mean_history(group: Sequence[RecipeOutcome]) -> pd.DataFrame:
    first = group[0].history.drop_duplicates("step", keep="last")
    columns = [name for name in first.columns if name.startswith(VALIDATION)]
    lines = pd.concat(
        [
            o.history.drop_duplicates("step", keep="last").reindex(columns=["step", *columns])
            for o in group
        ]
    ).groupby("step")
    means, spreads = lines[columns].mean(), lines[columns].std()
    spreads.columns = [SPREAD + name.removeprefix(VALIDATION) for name in columns]
    return first.drop(columns=columns).join(means, on="step").join(spreads, on="step")
