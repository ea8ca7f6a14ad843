"""The ledger: every claim, in the order of the paper, and its verdict on what was run."""

from __future__ import annotations

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.decide import Verdict
from raycl.reproduction.claims.domains import DOMAIN_CLAIMS
from raycl.reproduction.claims.history import HISTORY_CLAIMS
from raycl.reproduction.claims.infinite_schedules import INFINITE_CLAIMS
from raycl.reproduction.claims.max_learning_rate import MAX_LR_CLAIMS
from raycl.reproduction.claims.merging import MERGING_CLAIMS
from raycl.reproduction.claims.replay import REPLAY_CLAIMS
from raycl.reproduction.claims.same_data import SAME_DATA_CLAIMS
from raycl.reproduction.claims.scale import SCALE_CLAIMS
from raycl.reproduction.claims.warm_up import WARMUP_CLAIMS
from raycl.reproduction.evidence import Evidence

CLAIMS: tuple[Claim, ...] = (
    *WARMUP_CLAIMS,
    *MAX_LR_CLAIMS,
    *SAME_DATA_CLAIMS,
    *REPLAY_CLAIMS,
    *SCALE_CLAIMS,
    *HISTORY_CLAIMS,
    *MERGING_CLAIMS,
    *INFINITE_CLAIMS,
    *DOMAIN_CLAIMS,
)


def judge(evidence: Evidence) -> list[tuple[Claim, Verdict]]:
    """Every claim with its verdict; `undecided` (not run) where its experiments are missing."""
    return [(claim, claim.judge(evidence)) for claim in CLAIMS]
