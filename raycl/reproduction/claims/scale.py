"""Claims about a larger model (paper Table 4)."""

from __future__ import annotations

from functools import partial

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import Verdict, is_above
from raycl.reproduction.claims.replay import removes_most
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import SCALE
from raycl.reproduction.evidence.measures import lost_old
from raycl.reproduction.evidence.picks import replay


def _forgets(evidence: Evidence) -> Verdict:
    lost = evidence.paired(SCALE, lost_old, replay(0.0))
    return is_above(lost, "forgetting of D0 without replay, wider model")


SCALE_CLAIMS = (
    Claim("scale-forgets", "A larger model forgets without replay too.", "Table 4", _forgets),
    Claim(
        "scale-replay",
        "In a larger model replay of 5 % removes most of the forgetting.",
        "Table 4",
        partial(removes_most, experiment=SCALE, measure=lost_old),
    ),
)
