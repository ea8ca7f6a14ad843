"""Claims about replay in the two shifts (paper Table 2)."""

from __future__ import annotations

from functools import partial

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import (
    LITTLE,
    MOST,
    NEARLY,
    REACHED,
    Margin,
    Verdict,
    is_above,
    is_within,
)
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Measure
from raycl.reproduction.evidence.measures import average, loss_new, lost_old
from raycl.reproduction.evidence.paired import Values, minus
from raycl.reproduction.evidence.picks import replay
from raycl.reproduction.evidence.shifts import SHIFTS, STRONG, WEAK, Shift, baseline, percent


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


def removes_most(evidence: Evidence, experiment: str, measure: Measure) -> Verdict:
    """Whether less than half of the forgetting without replay stays at a replay of 5 %."""
    none, some = (evidence.paired(experiment, measure, replay(x)) for x in (0.0, 0.05))
    half = {seed: MOST * value for seed, value in none.items()}
    return is_above(minus(half, some), "half the forgetting at 0 % − that at 5 %")


def _reducing(shift: Shift, share: float) -> Claim:
    return Claim(
        f"replay-{100 * share:g}-reduces-{shift.name}",
        f"{shift.opening} replay of {percent(share)} reduces forgetting.",
        "Table 2",
        partial(_reduces, shift=shift, share=share),
    )


def _about(shift: Shift) -> list[Claim]:
    advised = percent(shift.advised)
    return [
        Claim(
            f"replay-costs-little-{shift.name}",
            f"{shift.opening} replay of {advised} costs little adaptation.",
            "Table 2",
            partial(_costs_little, shift=shift),
        ),
        Claim(
            f"half-replay-reaches-union-{shift.name}",
            f"{shift.opening} replay of 50 % reaches the union's average.",
            "Table 2",
            partial(_near_union, shift=shift, share=0.5, part=REACHED),
        ),
        Claim(
            f"replay-suffices-{shift.name}",
            f"{shift.opening} replay of {advised} suffices to come near the union's average.",
            "Table 2",
            partial(_near_union, shift=shift, share=shift.advised, part=NEARLY),
        ),
    ]


REPLAY_CLAIMS = (
    *(_reducing(WEAK, share) for share in (0.01, 0.05, 0.5)),
    *(_reducing(STRONG, share) for share in (0.01, 0.05, 0.25, 0.5)),
    *(claim for shift in SHIFTS for claim in _about(shift)),
)
