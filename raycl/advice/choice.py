"""The choice among settings: the least replay within noise of the best, not the smallest number.

Source: Ibrahim et al. 2024, §7 (the lowest replay with about equal average loss sees more new
tokens). Among settings with equal replay the one with fewer tokens is preferred, then the better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from raycl.advice.advice import ComparedSetting
from raycl.advice.goal import Goal
from raycl.advice.noise import Difference, difference, is_about_as_good, is_worse
from raycl.advice.setting import Setting
from raycl.results.settings import in_common
from raycl.results.uncertainty.decision import Decision, decide
from raycl.results.uncertainty.intervals import Interval


@dataclass(frozen=True)
class Choice:
    """The finished settings from the best to the worst by a goal, and the one to use."""

    goal: Goal
    ranked: tuple[Setting, ...]
    """Those that keep all bounds; where none does, all."""
    within: tuple[Setting, ...]
    """Those of `ranked` that noise does not tell from the best, the best included."""
    chosen: Setting
    broken: tuple[Setting, ...] = ()
    """Settings that break a bound while others keep it."""

    @property
    def best(self) -> Setting:
        """The setting with the best number."""
        return self.ranked[0]

    @property
    def behind(self) -> Difference:
        """The chosen setting's value minus the best one's."""
        return difference(self.chosen, self.best, self.goal)

    @property
    def seeds(self) -> int:
        """The fewest seeds of the two that the choice is about."""
        return min(len(self.chosen.values), len(self.best.values))

    @property
    def decision(self) -> Decision | None:
        """The chosen setting against the next one that noise does not tell from it, by seeds.

        None where noise hides nothing, or there is no second seed.
        """
        others = [setting for setting in self.within if setting is not self.chosen]
        if not others:
            return None
        mine, theirs = in_common(self.chosen.values, others[0].values)
        return decide(mine, theirs) if len(mine) > 1 else None

    def compared(self) -> tuple[ComparedSetting, ...]:
        """A line for each setting, from the best to the worst."""
        lines = [self._line(setting) for setting in (*self.ranked, *self.broken)]
        return tuple(lines)

    def _line(self, setting: Setting) -> ComparedSetting:
        behind = difference(setting, self.best, self.goal).interval
        if setting is self.best:
            behind = Interval(0.0)
        return ComparedSetting(setting.name, setting.interval, behind, self._verdict(setting))

    def _verdict(self, setting: Setting) -> str:
        if setting in self.broken:
            return "breaks a bound"
        if setting is self.chosen:
            return "recommended"
        if setting is self.best:
            return "best"
        return "within noise" if setting in self.within else "worse"


def choose(settings: Sequence[Setting], goal: Goal) -> Choice | None:
    """The choice among finished settings; None where there is none."""
    if not settings:
        return None
    kept = [setting for setting in settings if setting.allowed] or list(settings)
    most = max(len(setting.values) for setting in kept)
    # A setting whose other seeds are not finished may have had the easy one: it comes last.
    ranked = sorted(kept, key=lambda s: (len(s.values) < most, goal.sign * s.mean))
    within = [setting for setting in ranked if not is_worse(setting, ranked[0], goal)]
    whole = [setting for setting in within if len(setting.values) == most]
    chosen = min((s for s in whole if is_about_as_good(s, ranked[0], goal)), key=_cost)
    broken = [setting for setting in settings if setting not in kept]
    return Choice(goal, tuple(ranked), tuple(within), chosen, tuple(broken))


def _cost(setting: Setting) -> tuple[float, int]:
    """Replay, then tokens; of equal ones the first is the best, because `min` keeps the order."""
    last = setting.example.stages[-1]
    return round(setting.replay, 6), last.last_step * setting.example.tokens_per_step
