"""The claim about replay over four stages (the authors' published configs)."""

from __future__ import annotations

from functools import partial

from raycl.reproduction.claims.claim import Claim
from raycl.reproduction.claims.replay import removes_most
from raycl.reproduction.evidence.experiment_names import HISTORY
from raycl.reproduction.evidence.measures import lost_all

HISTORY_CLAIMS = (
    Claim(
        "history-replay",
        "Over four stages replay of 5 %, split by history, removes most of the "
        "forgetting of all old corpora.",
        "published configs",
        partial(removes_most, experiment=HISTORY, measure=lost_all),
    ),
)
