"""Claims about the length of the warm-up (paper Fig. 3)."""

from __future__ import annotations

from functools import partial

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import NEARLY, Margin, Verdict, both, is_above, is_within
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Measure
from raycl.reproduction.evidence.experiment_names import WARMUPS
from raycl.reproduction.evidence.measures import (
    gained_new,
    loss_new,
    loss_old,
    lost_old,
    opening_peak,
)
from raycl.reproduction.evidence.paired import highest, lowest, minus
from raycl.reproduction.evidence.picks import warmup
from raycl.reproduction.evidence.shifts import SHIFTS, Shift


def _length_does_not_matter(evidence: Evidence, shift: Shift) -> Verdict:
    """The range over the lengths, against what is at stake on that corpus in this stage."""

    def part(measure: Measure, effect: Measure, what: str, name: str) -> Verdict:
        arms = [evidence.paired(shift.warmup, measure, warmup(w)) for w in WARMUPS]
        stakes = evidence.paired(shift.warmup, effect, warmup(0.01))
        return is_within(minus(highest(arms), lowest(arms)), Margin(NEARLY, stakes, name), what)

    return both(
        [
            part(loss_old, lost_old, "range on D0", "the forgetting at 1 %"),
            part(loss_new, gained_new, "range on D1", "the adaptation at 1 %"),
        ]
    )


def _spikes_without(evidence: Evidence, shift: Shift) -> Verdict:
    none, usual = (evidence.paired(shift.warmup, opening_peak, warmup(w)) for w in (0.0, 0.01))
    return is_above(minus(none, usual), "highest training loss in the opening, 0 % − 1 %")


WARMUP_CLAIMS = (
    *(
        Claim(
            f"warm-up-length-{shift.name}",
            f"{shift.opening} the length of the warm-up does not matter in the end.",
            "Fig. 3",
            partial(_length_does_not_matter, shift=shift),
        )
        for shift in SHIFTS
    ),
    *(
        Claim(
            f"no-warm-up-spike-{shift.name}",
            f"{shift.opening} without a warm-up there is a transient spike.",
            "Fig. 3",
            partial(_spikes_without, shift=shift),
        )
        for shift in SHIFTS
    ),
)
