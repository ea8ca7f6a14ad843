"""What to use, how far it is from the best number, and how that was judged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raycl.advice.advice import Point
from raycl.advice.choice import Choice
from raycl.advice.goal import NATS
from raycl.advice.noise import ASSUMED_SD, assumed_half, documents_half, measured_half
from raycl.advice.setting import Setting
from raycl.advice.words import half_text, interval_text, listed, number_text
from raycl.results.metrics import adaptation, forgetting
from raycl.results.outcome import RecipeOutcome, learned_corpora, new_in


def recommendation(choice: Choice, outcomes: Sequence[RecipeOutcome]) -> list[Point]:
    """The setting to use with its numbers, and the noise that it was judged by."""
    goal, chosen = choice.goal, choice.chosen
    unit = f" {goal.unit}" if goal.unit else ""
    said = [f"{chosen.name}: {goal.name} {interval_text(chosen.interval)}{unit}."]
    said.append(_against_best(choice))
    said.append(_changes(chosen))
    said.append(_against_union(choice, outcomes))
    points = [Point("recommendation", f"Use {chosen.name}", " ".join(s for s in said if s))]
    return [*points, _noise(choice)]


def _against_best(choice: Choice) -> str:
    others = [setting.name for setting in choice.within if setting is not choice.chosen]
    if choice.chosen is choice.best:
        if len(choice.ranked) == 1:
            return "It is the only finished setting."
        if not others:
            return "It is the best, and every other setting is worse beyond noise."
        return f"It has the best number; within noise of it: {listed(others)}."
    behind = choice.behind
    best = choice.best
    why = "less replay" if choice.chosen.replay < best.replay else "no more replay, fewer tokens"
    return (
        f"The best number is that of {best.name} ({interval_text(best.interval)}); the difference, "
        f"{interval_text(behind.interval, signed=True)}, is within noise, and of settings that "
        f"noise does not tell apart the one with the least replay is used ({why})."
    )


def _changes(chosen: Setting) -> str:
    """What it forgets and what it learns, by corpus."""
    example = chosen.example
    said = []
    for corpus in example.curves:
        if corpus in learned_corpora(example):
            change = chosen.mean_of(forgetting, corpus)
            if not math.isnan(change):
                said.append(f"forgetting of {corpus} {number_text(change, signed=True)}")
    for corpus in new_in(example, example.stages[-1]):
        change = chosen.mean_of(adaptation, corpus)
        if not math.isnan(change):
            said.append(f"adaptation to {corpus} {number_text(change, signed=True)}")
    return f"It has {listed(said)} nats/token." if said else ""


def _against_union(choice: Choice, outcomes: Sequence[RecipeOutcome]) -> str:
    """How far the chosen setting is from the best union baseline by the same goal."""
    goal = choice.goal
    pairs = zip(outcomes, goal.values, strict=True)
    unions = [value for o, value in pairs if o.kind == "union" and not math.isnan(value)]
    if not unions or goal.name == "gap to the union":
        return ""
    gap = choice.chosen.mean - (min(unions) if goal.sign == 1 else max(unions))
    if number_text(gap) == "0.00":
        return "That is level with the union baseline."
    word = "above" if gap > 0 else "below"
    return f"That is {number_text(abs(gap))} {word} the union baseline."


def _noise(choice: Choice) -> Point:
    if choice.seeds > 1:
        text = (
            f"{choice.seeds} seeds: intervals are 95 % intervals of means, differences are paired "
            "by seed, and one counts where its interval leaves out zero."
        )
        return Point("recommendation", "How certain this is", text)
    half = assumed_half(choice.goal, choice.best.mean)
    text = (
        "One seed: the sweep itself does not show how much a number would change with another "
        f"seed, so differences below {half_text(half)} are taken for noise. "
    )
    text += (
        f"That is assumed: in the runs of `raycl reproduce`, models of about a million parameters, "
        f"differences of averages had a standard deviation of {ASSUMED_SD:g} nats/token over three "
        "seeds."
        if choice.goal.unit == NATS
        else "That is an assumption, and nothing measured it."
    )
    return Point("recommendation", "How certain this is", text + _documents(choice))


def _documents(choice: Choice) -> str:
    """What the held-out documents leave open; empty where nothing is known of it."""
    others = [setting for setting in choice.ranked if setting is not choice.best]
    half = documents_half(others[0], choice.best, choice.goal) if others else 0.0
    if not half:
        return ""
    how = "by resampling them"
    if math.isnan(measured_half(others[0], choice.best, choice.goal)):
        how = "as is to be expected of so many rows: losses by document are not stored"
    return (
        f" To it comes what the held-out documents leave open: ± {half_text(half)} between the two "
        f"best, {how}."
    )
