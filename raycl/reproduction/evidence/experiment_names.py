"""The experiments by the names of their recipes, and the settings that they sweep.

All of it is as in configs/paper: `name:` of a file, `label:` of a grid, and the values of a grid.
"""

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

SCALE = "e7-scale"
SAME_DATA = "e8-same-data"
SINGLE = "e9-infinite-single"
STAGES = "e10-infinite-stages"
DOMAINS = "e11-domain-incremental"
HISTORY = "e12-replay-history"
GUPTA = "g1-gupta"

COSINE, CONSTANT = "cosine", "constant"
INFINITE = ("infinite cosine", "infinite inverse-sqrt")
"""Arms of SINGLE, STAGES and DOMAINS."""

DOMAIN_ARMS = tuple((arm, share) for arm in (COSINE, INFINITE[1]) for share in (0.0, 0.05))
"""Arm and replay share of each recipe of DOMAINS."""

WARMUPS = (0.0, 0.005, 0.01, 0.02)
"""Lengths of the warm-up as shares of the last stage."""

LOWEST, MIDDLE, HIGHEST = 0, 1, -1
"""Places of the paper's three max learning rates among the cosines, by rising rate."""
RATES = {"lowest": LOWEST, "middle": MIDDLE, "highest": HIGHEST}
