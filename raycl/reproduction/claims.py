"""The ledger: every claim, in the order of the paper, and its verdict on what was run."""

from __future__ import annotations

from raycl.reproduction.claim import Claim
from raycl.reproduction.claim_rates import RATE_CLAIMS
from raycl.reproduction.claim_replay import REPLAY_CLAIMS
from raycl.reproduction.claim_schedules import SCHEDULE_CLAIMS
from raycl.reproduction.decide import Verdict
from raycl.reproduction.evidence import Evidence

CLAIMS: tuple[Claim, ...] = (*RATE_CLAIMS, *REPLAY_CLAIMS, *SCHEDULE_CLAIMS)


def judge(evidence: Evidence) -> list[tuple[Claim, Verdict]]:
    """Every claim with its verdict; `undecided` (not run) where its experiments are missing."""
    return [(claim, claim.judge(evidence)) for claim in CLAIMS]
