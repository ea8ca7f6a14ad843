"""Claims about replay, scale and merging (paper Tables 2, 4 and 6)."""

from __future__ import annotations

import math
from functools import partial

from raycl.reproduction.claim import SHIFTS, STRONG, WEAK, Claim, Shift, baseline, percent
from raycl.reproduction.decide import (
    LITTLE,
    MOST,
    NEARLY,
    REACHED,
    Margin,
    Verdict,
    is_above,
    is_within,
)
from raycl.reproduction.evidence import Corpora, Evidence, Measure, Pick, Values, minus
from raycl.reproduction.measures import average, loss_new, lost_all, lost_old
from raycl.reproduction.picks import Outcomes, merged, replay
from raycl.results.outcome import RecipeOutcome

SCALE = "e7-scale"
HISTORY = "e12-replay-history"


def _at(evidence: Evidence, shift: Shift, share: float, measure: Measure) -> Values:
    return evidence.paired(shift.replay, measure, replay(share))


def _reduces(evidence: Evidence, shift: Shift, share: float) -> Verdict:
    none, some = (_at(evidence, shift, x, lost_old) for x in (0.0, share))
    return is_above(minus(none, some), f"forgetting of D0, 0 % − {percent(share)}")


def _costs_little(evidence: Evidence, shift: Shift) -> Verdict:
    """What replay adds to the loss on D1, against what it takes from forgetting."""
    cost = minus(*(_at(evidence, shift, x, loss_new) for x in (shift.advised, 0.0)))
    bought = minus(*(_at(evidence, shift, x, lost_old) for x in (0.0, shift.advised)))
    margin = Margin(LITTLE, bought, "the forgetting it removes")
    return is_within(cost, margin, f"loss on D1, {percent(shift.advised)} − 0 %")


def _near_union(evidence: Evidence, shift: Shift, share: float, part: float) -> Verdict:
    """How far the average stays above the union's, against the gap without replay."""
    union = baseline(evidence, shift, "union", average)
    gap = minus(_at(evidence, shift, 0.0, average), union)
    left = minus(_at(evidence, shift, share, average), union)
    margin = Margin(part, gap, "the gap without replay")
    return is_within(left, margin, f"average, {percent(share)} − union")


def _scale_forgets(evidence: Evidence) -> Verdict:
    lost = evidence.paired(SCALE, lost_old, replay(0.0))
    return is_above(lost, "forgetting of D0 without replay, wider model")


def _removes_most(evidence: Evidence, experiment: str, measure: Measure) -> Verdict:
    """The forgetting that stays at 5 % must be below half of that without replay."""
    none, some = (evidence.paired(experiment, measure, replay(x)) for x in (0.0, 0.05))
    half = {seed: MOST * value for seed, value in none.items()}
    return is_above(minus(half, some), "half the forgetting at 0 % − that at 5 %")


def best_merged(corpora: Corpora) -> Pick:
    """The merged model with the lowest average: the paper reports its best one too."""

    def pick(outcomes: Outcomes) -> RecipeOutcome | None:
        found = [o for o in merged(outcomes) if math.isfinite(average(o, corpora))]
        return min(found, key=lambda outcome: average(outcome, corpora), default=None)

    return pick


def _merging_loses(evidence: Evidence, shift: Shift) -> Verdict:
    """The best merged model against replay, from the merging experiment or the replay one."""
    corpora = evidence.corpora(shift.replay, shift.merge)
    best = evidence.paired(shift.merge, average, best_merged(corpora), corpora)
    own = evidence.paired(shift.merge, average, replay(shift.advised), corpora)
    replayed = {**_at(evidence, shift, shift.advised, average), **own}
    return is_above(
        minus(best, replayed), f"average, best merged − replay {percent(shift.advised)}"
    )


def _reducing(shift: Shift, share: float) -> Claim:
    return Claim(
        f"replay-{100 * share:g}-reduces-{shift.name}",
        f"{shift.name.capitalize()} shift: replay of {percent(share)} reduces forgetting.",
        "Table 2",
        partial(_reduces, shift=shift, share=share),
    )


def _about(shift: Shift) -> list[Claim]:
    named = f"{shift.name.capitalize()} shift:"
    advised = percent(shift.advised)
    return [
        Claim(
            f"replay-costs-little-{shift.name}",
            f"{named} replay of {advised} costs little adaptation.",
            "Table 2",
            partial(_costs_little, shift=shift),
        ),
        Claim(
            f"half-replay-reaches-union-{shift.name}",
            f"{named} replay of 50 % reaches the union's average.",
            "Table 2",
            partial(_near_union, shift=shift, share=0.5, part=REACHED),
        ),
        Claim(
            f"replay-suffices-{shift.name}",
            f"{named} replay of {advised} suffices to come near the union's average.",
            "Table 2",
            partial(_near_union, shift=shift, share=shift.advised, part=NEARLY),
        ),
    ]


def _merging(shift: Shift) -> Claim:
    return Claim(
        f"merging-loses-{shift.name}",
        f"{shift.name.capitalize()} shift: merging loses to replay of {percent(shift.advised)}.",
        "Table 6",
        partial(_merging_loses, shift=shift),
    )


REPLAY_CLAIMS = (
    *(_reducing(WEAK, share) for share in (0.01, 0.05, 0.5)),
    *(_reducing(STRONG, share) for share in (0.01, 0.05, 0.25, 0.5)),
    *(claim for shift in SHIFTS for claim in _about(shift)),
    Claim("scale-forgets", "A larger model forgets without replay too.", "Table 4", _scale_forgets),
    Claim(
        "scale-replay",
        "In a larger model replay of 5 % removes most of the forgetting.",
        "Table 4",
        partial(_removes_most, experiment=SCALE, measure=lost_old),
    ),
    Claim(
        "history-replay",
        "Over four stages replay of 5 %, split by history, removes most of the "
        "forgetting of all old corpora.",
        "published configs",
        partial(_removes_most, experiment=HISTORY, measure=lost_all),
    ),
    *(_merging(shift) for shift in SHIFTS),
)
