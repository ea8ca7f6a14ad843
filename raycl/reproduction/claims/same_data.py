"""Claims about re-warming on the very same data (paper Fig. 8)."""

from __future__ import annotations

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import Verdict, is_above
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import HIGHEST, LOWEST, MIDDLE, SAME_DATA
from raycl.reproduction.evidence.measures import peak_rise
from raycl.reproduction.evidence.paired import minus
from raycl.reproduction.evidence.picks import cosine_of


def _rises(evidence: Evidence) -> Verdict:
    """At the middle rate: the paper's 3e-4 is the middle one of its rates too."""
    rise = evidence.paired(SAME_DATA, peak_rise, cosine_of(MIDDLE))
    return is_above(rise, "peak rise on D0 at the middle max LR")


def _rises_more(evidence: Evidence) -> Verdict:
    low, high = (
        evidence.paired(SAME_DATA, peak_rise, cosine_of(place)) for place in (LOWEST, HIGHEST)
    )
    return is_above(minus(high, low), "peak rise on D0, highest − lowest max LR")


SAME_DATA_CLAIMS = (
    Claim(
        "same-data-rises",
        "Re-warming alone raises the loss, on the very same data.",
        "Fig. 8",
        _rises,
    ),
    Claim(
        "same-data-rises-more",
        "On the same data a higher max learning rate raises it more.",
        "Fig. 8",
        _rises_more,
    ),
)
