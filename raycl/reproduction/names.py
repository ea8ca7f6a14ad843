"""The experiments by the names of their recipes, and what each of them is."""

from __future__ import annotations

from collections.abc import Mapping

EXPERIMENTS: Mapping[str, str] = {
    "e0-pile": "D0 alone",
    "e1-scratch-weak": "weak shift's D1 alone, from random weights",
    "e1-scratch-strong": "strong shift's D1 alone, from random weights",
    "e2-union-weak": "D0 and the weak shift's D1 mixed",
    "e2-union-strong": "D0 and the strong shift's D1 mixed",
    "e3-warmup-weak": "length of the re-warming, weak shift",
    "e3-warmup-strong": "length of the re-warming, strong shift",
    "e4-max-lr-weak": "max learning rate and constant rates, weak shift",
    "e4-max-lr-strong": "max learning rate and constant rates, strong shift",
    "e5-replay-weak": "replay, weak shift",
    "e6-replay-strong": "replay, strong shift",
    "e7-scale": "replay with a wider model, weak shift",
    "e8-same-data": "re-warming on D0 again",
    "e9-infinite-single": "infinite schedules, one stage",
    "e10-infinite-stages": "infinite schedules, three stages without a shift",
    "e11-domain-incremental": "one domain after another",
    "e12-replay-history": "replay by history, four stages",
    "e13-merge-weak": "merged models, weak shift",
    "e13-merge-strong": "merged models, strong shift",
    "g1-gupta": "from three points of D0's training on (Gupta et al. 2023)",
}
"""Recipe name -> what it is. Weak shift: another domain; strong: another language."""
