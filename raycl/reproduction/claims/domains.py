"""The claim about training on one domain after another (paper App. A.1)."""

from __future__ import annotations

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import Verdict, is_above
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import DOMAIN_ARMS, DOMAINS
from raycl.reproduction.evidence.measures import average_all
from raycl.reproduction.evidence.paired import lowest, minus
from raycl.reproduction.evidence.picks import in_arm, of_kind


def _poor(evidence: Evidence) -> Verdict:
    """The best way to train domain by domain against the same tokens mixed."""
    arms = [evidence.paired(DOMAINS, average_all, in_arm(arm, share)) for arm, share in DOMAIN_ARMS]
    mixed = evidence.paired(DOMAINS, average_all, of_kind("union"))
    best = lowest([arm for arm in arms if arm])
    return is_above(minus(best, mixed), "mean loss, best of domain by domain − mixed")


DOMAIN_CLAIMS = (
    Claim(
        "domain-incremental-poor",
        "Training domain by domain is poor against the mixed run.",
        "App. A.1",
        _poor,
    ),
)
