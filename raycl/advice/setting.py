"""Settings: what a sweep compares, each with its value by seed and with what sets it apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from raycl.results.metrics.sides import Weights, side_mean
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.groups import last_stage
from raycl.results.uncertainty.intervals import Interval, mean_interval

REPLAY = "replay"
MAX_LR = "max_lr"
Feature = float | str
Measure = Callable[[RecipeOutcome, str], float]
"""A number of an outcome for a corpus; NaN where it has none."""


@dataclass(frozen=True)
class Setting:
    """Recipes that differ in their seed alone, with the objective's value of each seed."""

    name: str
    outcomes: tuple[RecipeOutcome, ...]
    values: Mapping[int, float]
    """By seed, as the results table has them."""
    allowed: bool = True
    """Whether it keeps the bounds of the objective."""

    @property
    def example(self) -> RecipeOutcome:
        """The recipe of its first seed, which has all of the setting's fields."""
        return self.outcomes[0]

    @cached_property
    def interval(self) -> Interval:
        """The mean of its seeds, with its interval where there are several."""
        return mean_interval([self.values[seed] for seed in sorted(self.values)])

    @property
    def mean(self) -> float:
        """The mean of its seeds."""
        return self.interval.mean

    @property
    def replay(self) -> float:
        """The replay share (0 to 1) of its last stage."""
        return last_stage(self.example).replay_share

    def mean_of(self, measure: Measure, corpus: str) -> float:
        """The mean of a corpus' number over the setting's seeds; NaN where one has none."""
        values = [measure(outcome, corpus) for outcome in self.outcomes]
        return math.fsum(values) / len(values) if values else math.nan

    def side(self, measure: Measure, weights: Weights) -> float:
        """The weighted mean of a number over corpora that have it; NaN where none has."""
        values = {corpus: self.mean_of(measure, corpus) for corpus in weights}
        known = {corpus: value for corpus, value in values.items() if not math.isnan(value)}
        return side_mean(known, weights) if known else math.nan

    @cached_property
    def features(self) -> dict[str, Feature]:
        """What sets it apart, by name: numbers where they are numbers, else text.

        Replay and maximum learning rate are those of the last stage, whichever field gave them.
        """
        outcome, last = self.example, last_stage(self.example)
        found: dict[str, Feature] = {
            "kind": outcome.kind,
            "stages": ", ".join(f"{s.name} {s.tokens} {s.trains}" for s in outcome.stages),
            "schedule": last.schedule,
            REPLAY: round(last.replay_share, 9),
            MAX_LR: last.max_lr or 0.0,
        }
        if outcome.branch is not None or outcome.merged_from:
            found["kind"] = f"{outcome.kind} {outcome.label}"
        for field, value in outcome.fields.items():
            if not _is_of_last_stage(field, last.name):
                number = number_of(value)
                found[field] = str(value) if number is None else number
        return found


def _is_of_last_stage(field: str, stage: str) -> bool:
    """Whether replay, rate or schedule of the last stage say the same as the field."""
    first, _, rest = field.partition(".")
    return first in (stage, "later") and rest in (
        "replay",
        "schedule",
        "schedule.max_lr",
        "schedule.kind",
    )


def number_of(value: object) -> float | None:
    """A swept value as a number: 0.05 of "5%"; None where it is none, or has a unit."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = str(value).strip()
    try:
        return float(text[:-1]) / 100 if text.endswith("%") else float(text)
    except ValueError:
        return None


def lines_of(settings: Sequence[Setting], feature: str) -> list[list[Setting]]:
    """Groups of settings that differ in one numeric feature alone, each by its rising value.

    Every group has two values or more; the largest group comes first.
    """
    groups: dict[object, list[Setting]] = {}
    for setting in settings:
        if isinstance(setting.features.get(feature), float):
            rest = {k: v for k, v in setting.features.items() if k != feature}
            groups.setdefault(tuple(sorted(rest.items(), key=str)), []).append(setting)
    lines = [sorted(group, key=lambda s: float(s.features[feature])) for group in groups.values()]
    several = [line for line in lines if len({s.features[feature] for s in line}) > 1]
    return sorted(several, key=lambda line: -len(line))


def line_through(
    settings: Sequence[Setting], feature: str, setting: Setting | None
) -> list[Setting]:
    """The line that a setting is on, or else the longest one; empty where there is none."""
    lines = lines_of(settings, feature)
    return next((line for line in lines if setting in line), lines[0] if lines else [])
