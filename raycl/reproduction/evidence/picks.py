"""Which recipe of an experiment is meant: by kind, replay, warm-up, learning rate, arm or branch.

All of these are facts of the outcome. What a recipe is called plays no part.
"""

from __future__ import annotations

import re

from raycl.reproduction.evidence.evidence import Outcomes, Pick
from raycl.reproduction.evidence.measures import learning_rates
from raycl.results.outcome import BranchFact, RecipeOutcome
from raycl.results.report.groups import last_stage, swept
from raycl.units import parse_length


def _first(found: Outcomes) -> RecipeOutcome | None:
    return found[0] if found else None


def of_kind(kind: str) -> Pick:
    """The first outcome of this kind (union, scratch, previous)."""
    return lambda outcomes: _first([outcome for outcome in outcomes if outcome.kind == kind])


def single() -> Pick:
    """The one recipe of an experiment that has only one."""
    return lambda outcomes: _first(swept(outcomes))


def called(label: str) -> Pick:
    """The outcome with exactly this label, which is the same recipe in every seed."""
    return lambda outcomes: _first([outcome for outcome in outcomes if outcome.label == label])


def replay(share: float) -> Pick:
    """The recipe whose last stage replays this share (0 to 1) of every batch."""

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        near = [o for o in swept(outcomes) if abs(last_stage(o).replay_share - share) < 1e-9]
        return _first(near)

    return pick


def warmup(share: float) -> Pick:
    """The recipe whose last stage warms up over this share (0 to 1) of its length."""
    return lambda outcomes: _first([o for o in swept(outcomes) if warmup_share(o) == share])


def warmup_share(outcome: RecipeOutcome) -> float | None:
    """The swept warm-up as a share of the stage; None where no warm-up is swept.

    It is read from the swept fields: a warm-up in steps of a short stage is rounded, so that the
    learning rates do not tell 0.5 % from 1 %.
    """
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

    None where there are fewer than three: which of the paper's three they are is then not known.
    """

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        found = cosines(outcomes)
        return found[place] if len(found) > 2 else None

    return pick


def constant_min() -> Pick:
    """The recipe whose last stage holds one rate from its first step on: no re-warming."""
    return lambda outcomes: _first([o for o in swept(outcomes) if _shape(o) == "flat"])


def warm_constant() -> Pick:
    """The recipe whose last stage warms up and then holds its peak: no re-decaying."""
    return lambda outcomes: _first([o for o in swept(outcomes) if _shape(o) == "warms"])


def _shape(outcome: RecipeOutcome) -> str:
    """The shape of the rates that the last stage used: "flat", "warms" (then holds) or "falls".

    Empty where the stage is not through or no rate was recorded.
    """
    rates = learning_rates(outcome, last_stage(outcome))
    if len(rates) == 0 or outcome.steps < last_stage(outcome).last_step:
        return ""
    if rates[-1] < rates.max() * (1 - 1e-6):
        return "falls"
    return "flat" if rates.min() >= rates.max() * (1 - 1e-6) else "warms"


def in_arm(arm: str, share: float | None = None) -> Pick:
    """The swept recipe of this arm of the sweep, with this replay share where one is given."""

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        found = [outcome for outcome in swept(outcomes) if outcome.arm == arm]
        return replay(share)(found) if share is not None else _first(found)

    return pick


def annealed(trunk: str) -> Pick:
    """The branch that anneals the recipe `trunk` at the end of the furthest stage."""

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        facts = [fact for fact in branches_of(outcomes, trunk) if fact.leaves_at_end]
        return branch(facts[-1])(outcomes) if facts else None

    return pick


def branches_of(outcomes: Outcomes, trunk: str) -> list[BranchFact]:
    """Where the anneal branches of the recipe `trunk` leave it, by the step at which they end."""
    found = [o for o in outcomes if o.branch is not None and o.branch.trunk == trunk]
    found.sort(key=lambda outcome: last_stage(outcome).last_step)
    return [outcome.branch for outcome in found if outcome.branch is not None]


def branch(fact: BranchFact) -> Pick:
    """The anneal branch that leaves this recipe at this place."""
    return lambda outcomes: _first([outcome for outcome in outcomes if outcome.branch == fact])


def merged(outcomes: Outcomes) -> list[RecipeOutcome]:
    """Every merged model."""
    return [outcome for outcome in outcomes if outcome.kind == "merged"]
