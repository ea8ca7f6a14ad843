"""One line a setting: what recipes that differ in their seed alone have in common.

The mean of a measure stands under the measure's own name, so that such a table is read like one of
recipes. Beside it `sd:`, `low:`, `high:` and `n:` before that name are the sample standard
deviation, the ends of the confidence interval of the mean, and the number of seeds with a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from raycl.results.metrics.registry import METRICS
from raycl.results.outcome import BASELINES
from raycl.results.uncertainty.decision import Decision, decide
from raycl.results.uncertainty.intervals import mean_interval

SETTING, SEED = "setting", "seed"
SD, LOW, HIGH, NUMBER = "sd:", "low:", "high:", "n:"
SEEDS = "seeds"
"""The column with the number of recipes of a setting."""
_OF_A_RECIPE = ("recipe", SETTING, SEED, "state", "status", "note")


def has_seeds(table: pd.DataFrame) -> bool:
    """Whether the results table has recipes that differ in their seed alone."""
    return SETTING in table


def with_settings(table: pd.DataFrame) -> pd.DataFrame:
    """The results table with `setting` and `seed`: without seeds each recipe is a setting."""
    if has_seeds(table):
        return table
    return table.assign(setting=table["recipe"], seed=0)


def measures(table: pd.DataFrame) -> list[str]:
    """The columns of a results table that are measures, in their order."""
    numbers = set(table.select_dtypes("number"))
    known = [name for name in table.columns if str(name).partition("/")[0] in METRICS]
    return [name for name in known if name in numbers]


def settings_table(table: pd.DataFrame) -> pd.DataFrame:
    """One line a setting, in the order of the results table, with statistics of each measure.

    Columns: `setting`, `kind`, `seeds`, `status` (`finished` where all seeds are), the swept
    fields, and each measure as the module says. The units are those of the results table.
    """
    table = with_settings(table)
    columns = measures(table)
    facts = [c for c in table.columns if c not in columns and c not in _OF_A_RECIPE]
    lines = []
    for setting, rows in table.groupby(SETTING, sort=False):
        line: dict[str, object] = {SETTING: setting}
        line |= {name: rows[name].iloc[0] for name in facts}
        line |= {SEEDS: len(rows), "status": status_of(rows["status"].tolist())}
        for name in columns:
            found = mean_interval(rows[name].astype(float).tolist())
            line[name] = found.mean
            line |= {SD + name: found.sd, LOW + name: found.low, HIGH + name: found.high}
            line[NUMBER + name] = found.n
        lines.append(line)
    return pd.DataFrame(lines)


def values_of(table: pd.DataFrame, setting: str, column: str) -> dict[int, float]:
    """The values of a measure by seed, for one setting of a results table; without NaN."""
    table = with_settings(table)
    rows = table[table[SETTING] == setting]
    values = dict(zip(rows[SEED].astype(int), rows[column].astype(float), strict=True))
    return {seed: value for seed, value in values.items() if not math.isnan(value)}


def compare(table: pd.DataFrame, column: str, first: str, second: str) -> Decision:
    """The setting `first` minus `second` in a measure, over the seeds for which both have it."""
    one, other = (values_of(table, setting, column) for setting in (first, second))
    return decide(*in_common(one, other))


def in_common(
    first: Mapping[int, float], second: Mapping[int, float]
) -> tuple[list[float], list[float]]:
    """The values of two settings for the seeds that both have, in the order of the seeds."""
    seeds = sorted(first.keys() & second.keys())
    return [first[seed] for seed in seeds], [second[seed] for seed in seeds]


def ranked(table: pd.DataFrame, column: str, better: int) -> list[str]:
    """The settings with a value, the best one first; baselines are none of them.

    `better` is -1 where less is better, and 1 where more is. Equal ones stay in their order.
    Settings with fewer seeds than others come last: their mean may be that of the easy seeds.
    """
    own = with_settings(table[~table["kind"].isin(BASELINES)])
    found = own.groupby(SETTING, sort=False)[column].agg(["mean", "count"])
    known = found[found["count"] > 0]
    fewer = known["count"] < known["count"].max()
    ordered = known.assign(fewer=fewer).sort_values(
        ["fewer", "mean"], ascending=[True, better < 0], kind="stable"
    )
    return [str(setting) for setting in ordered.index]


def clear_best(values: Mapping[str, Mapping[int, float]], better: int) -> str | None:
    """The setting that is clearly better than the next best one; None where none is.

    `values` are those of each setting by seed, without NaN; `better` is as in `ranked`. Settings
    with fewer seeds than others are left out.
    """
    most = max((len(own) for own in values.values()), default=0)
    means = {name: mean_interval(list(own.values())).mean for name, own in values.items() if own}
    whole = [name for name in means if len(values[name]) == most]
    order = sorted(whole, key=lambda name: -better * means[name])
    if not better or len(order) < 2:
        return None
    decision = decide(*in_common(values[order[0]], values[order[1]]))
    is_better = better * decision.difference.mean > 0  # in the seeds that both have
    return order[0] if decision.is_clear and is_better else None


def status_of(statuses: Sequence[str]) -> str:
    """The status of a setting by those of its recipes."""
    if len(set(statuses)) == 1:
        return statuses[0]
    return f"{statuses.count('finished')} of {len(statuses)} seeds finished"
