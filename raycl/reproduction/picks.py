"""Which recipe of an experiment is meant: by kind, replay, warm-up, learning rate or label."""

from __future__ import annotations

import re
from collections.abc import Sequence

from raycl.reproduction.evidence import Pick
from raycl.reproduction.measures import learning_rates
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.palette import last_stage, swept
from raycl.units import parse_length

Outcomes = Sequence[RecipeOutcome]


def _only(found: Outcomes) -> RecipeOutcome | None:
    return found[0] if found else None


def of_kind(kind: str) -> Pick:
    """The first outcome of this kind (union, scratch, previous)."""
    return lambda outcomes: _only([outcome for outcome in outcomes if outcome.kind == kind])


def single() -> Pick:
    """The one recipe of an experiment that has only one."""
    return lambda outcomes: _only(swept(outcomes))


def replay(share: float) -> Pick:
    """The recipe whose last stage replays this share of every batch."""

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        return _only([o for o in swept(outcomes) if abs(last_stage(o).replay_share - share) < 1e-9])

    return pick


def warmup(share: float) -> Pick:
    """The recipe whose last stage warms up over this share of its length."""

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        return _only([o for o in swept(outcomes) if warmup_share(o) == share])

    return pick


def warmup_share(outcome: RecipeOutcome) -> float | None:
    """The swept warm-up as a share of the stage; None where none is swept."""
    for name, value in outcome.fields.items():
        text = str(value)
        if name.endswith("schedule"):
            found = re.search(r"\bwarmup ([^ ]+%)", text)
            text = found.group(1) if found else ""
        elif not name.endswith("warmup"):
            continue
        if text:
            length = parse_length(text)
            return float(length.value) if length.unit == "fraction" else None
    return None


def cosines(outcomes: Outcomes) -> list[RecipeOutcome]:
    """Recipes whose last stage ends below its peak, by rising peak."""
    found = [o for o in swept(outcomes) if _shape(o) == "falls"]
    return sorted(found, key=lambda outcome: last_stage(outcome).max_lr or 0.0)


def cosine_of(place: int) -> Pick:
    """The cosine with the lowest (0), a middle (1) or the highest (-1) peak of three or more.

    With fewer than three there is no telling which of the paper's three they are.
    """

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        found = cosines(outcomes)
        return found[place] if len(found) > 2 else None

    return pick


def constant_min() -> Pick:
    """The recipe whose last stage holds one rate from its first step on: no re-warming."""
    return lambda outcomes: _only([o for o in swept(outcomes) if _shape(o) == "flat"])


def warm_constant() -> Pick:
    """The recipe whose last stage warms up and then holds its peak: no re-decaying."""
    return lambda outcomes: _only([o for o in swept(outcomes) if _shape(o) == "warms"])


def _shape(outcome: RecipeOutcome) -> str:
    """Of the rates that were really used: flat, warms (then holds), falls; empty if unknown."""
    rates = learning_rates(outcome, last_stage(outcome))
    if len(rates) == 0 or outcome.steps < last_stage(outcome).last_step:
        return ""
    if rates[-1] < rates.max() * (1 - 1e-6):
        return "falls"
    return "flat" if rates.min() >= rates.max() * (1 - 1e-6) else "warms"


def labelled(label: str, share: float | None = None) -> Pick:
    """The swept recipe called `label` (or `label, …`), with this replay where one is given."""

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        named = [o for o in swept(outcomes) if (o.label + ",").startswith(label + ",")]
        return replay(share)(named) if share is not None else _only(named)

    return pick


def annealed(label: str) -> Pick:
    """The branch that anneals the trunk `label` at the end of the furthest stage."""

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        branches = branches_of(outcomes, label)
        whole = [branch for branch in branches if branch.label.endswith("at 100%")]
        return whole[-1] if whole else None

    return pick


def branches_of(outcomes: Outcomes, label: str) -> list[RecipeOutcome]:
    """Every anneal branch off the trunk `label`, by the step at which it ends."""
    found = [o for o in outcomes if o.kind == "anneal" and o.label.startswith(f"{label}, anneal ")]
    return sorted(found, key=lambda outcome: last_stage(outcome).last_step)


def merged(outcomes: Outcomes) -> list[RecipeOutcome]:
    """Every merged model."""
    return [outcome for outcome in outcomes if outcome.kind == "merged"]
