"""What a sweep has found, in one sentence or two."""

from __future__ import annotations

from collections.abc import Sequence

from raycl.advice.choice import Choice
from raycl.advice.rules.edges import edges
from raycl.advice.setting import MAX_LR, REPLAY
from raycl.advice.words import feature_text, interval_text, listed
from raycl.results.outcome import STOPPED, RecipeOutcome


def headline(choice: Choice | None, outcomes: Sequence[RecipeOutcome]) -> str:
    """Which setting to use, why, how sure that is, and what is missing."""
    missing = _missing([outcome.status for outcome in outcomes])
    if choice is None:
        return missing or "The recipes have no number in common by which they could be compared."
    sentence = f"Use {choice.chosen.name} ({_value(choice)}): {_reason(choice)}."
    broken = "" if choice.chosen.allowed else "No finished recipe keeps all bounds."
    return " ".join(filter(None, (broken, sentence, _edge(choice), missing)))


def _missing(statuses: Sequence[str]) -> str:
    """How many recipes are still to come; empty where the search stopped all others early."""
    done, stopped = statuses.count("finished"), statuses.count(STOPPED)
    if done + stopped == len(statuses):
        return ""
    early = f", and {stopped} were stopped early" if stopped else ""
    return f"{done} of {len(statuses)} recipes have finished{early}."


def _value(choice: Choice) -> str:
    seeds = f" at 95 %, {choice.seeds} seeds" if choice.seeds > 1 else ", one seed"
    return f"{choice.goal.name} {interval_text(choice.chosen.interval)}{seeds}"


def _reason(choice: Choice) -> str:
    if len(choice.ranked) == 1:
        return "it is the only one that is finished"
    others = [setting.name for setting in choice.within if setting is not choice.chosen]
    if not others:
        return "it is the best beyond noise"
    if choice.chosen is choice.best:
        return f"it has the best number, and within noise of it: {listed(others, 2)}"
    best = choice.best
    less = "the least replay" if choice.chosen.replay < best.replay else "the cheapest"
    return f"{less} within noise of the best, {best.name} ({interval_text(best.interval)})"


def _edge(choice: Choice) -> str:
    clear = [edge for edge in edges(choice) if edge.is_clear]
    if not clear:
        return ""
    said = []
    for edge in clear[:2]:
        name = {REPLAY: "replay", MAX_LR: "maximum learning rate"}.get(edge.feature, edge.field)
        side = "highest" if edge.beyond > edge.at else "lowest"
        beyond = feature_text(edge.feature, edge.beyond)
        said.append(
            f"The best {name} is {feature_text(edge.feature, edge.at)}, the {side} tried: "
            f"try {beyond}."
        )
    return " ".join(said)
