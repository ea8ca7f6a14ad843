"""Claims about merging models instead of replaying (paper Table 6)."""

from __future__ import annotations

import math
from functools import partial

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import Verdict, is_above
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Corpora, Outcomes, Pick
from raycl.reproduction.evidence.measures import average
from raycl.reproduction.evidence.paired import minus
from raycl.reproduction.evidence.picks import merged, replay
from raycl.reproduction.evidence.shifts import SHIFTS, Shift, percent
from raycl.results.outcome import RecipeOutcome


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
    elsewhere = evidence.paired(shift.replay, average, replay(shift.advised))
    own = evidence.paired(shift.merge, average, replay(shift.advised), corpora)
    replayed = {**elsewhere, **own}
    return is_above(
        minus(best, replayed), f"average, best merged − replay {percent(shift.advised)}"
    )


MERGING_CLAIMS = tuple(
    Claim(
        f"merging-loses-{shift.name}",
        f"{shift.opening} merging loses to replay of {percent(shift.advised)}.",
        "Table 6",
        partial(_merging_loses, shift=shift),
    )
    for shift in SHIFTS
)
