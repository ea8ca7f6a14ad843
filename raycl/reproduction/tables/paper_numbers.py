"""The paper's own numbers (arXiv 2403.08763): final validation losses in nats/token, one seed.

AVG is the paper's where it prints one; that of the two single-corpus baselines of Table 2 is the
mean of its two numbers. Forgetting is D0 minus the loss of `previous`, as the paper speaks of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PaperRow:
    """One line of a table: loss on D0 and D1, their average, forgetting; NaN: not given."""

    old: float = math.nan
    new: float = math.nan
    average: float = math.nan
    forgetting: float = math.nan


def _row(old: float, new: float, average: float = math.nan, before: float = math.nan) -> PaperRow:
    return PaperRow(old, new, average, round(old - before, 2))


PILE_405M, PILE_10B = 2.17, 1.75
"""Loss on the Pile after the first stage, which forgetting is measured from."""

REPLAY: Mapping[str, Mapping[float, PaperRow]] = {
    "weak": {
        0.0: _row(2.44, 2.50, 2.47, PILE_405M),
        0.005: _row(2.27, 2.50, 2.39, PILE_405M),
        0.01: _row(2.26, 2.50, 2.38, PILE_405M),
        0.05: _row(2.23, 2.51, 2.37, PILE_405M),
        0.10: _row(2.21, 2.51, 2.36, PILE_405M),
        0.50: _row(2.16, 2.54, 2.35, PILE_405M),
    },
    "strong": {
        0.0: _row(3.56, 1.11, 2.34, PILE_405M),
        0.01: _row(2.83, 1.12, 1.97, PILE_405M),
        0.05: _row(2.57, 1.12, 1.85, PILE_405M),
        0.10: _row(2.46, 1.13, 1.80, PILE_405M),
        0.25: _row(2.33, 1.16, 1.75, PILE_405M),
        0.50: _row(2.24, 1.22, 1.73, PILE_405M),
    },
}
"""Table 2: shift -> replay share -> row."""

BASELINES: Mapping[str, Mapping[str, PaperRow]] = {
    "weak": {
        "union": _row(2.17, 2.53, 2.35),
        "previous": _row(2.17, 2.70, 2.44),
        "scratch": _row(2.51, 2.53, 2.52),
    },
    # The Pile model's loss on German is in no source that we have.
    "strong": {
        "union": _row(2.26, 1.25, 1.75),
        "previous": PaperRow(old=2.17),
        "scratch": _row(3.97, 1.17, 2.57),
    },
}
"""Table 2: shift -> baseline -> row."""

MAX_LR: Mapping[str, Mapping[str, PaperRow]] = {
    "weak": {
        "constant": _row(2.42, 2.55, before=PILE_405M),
        "lowest": _row(2.43, 2.51, before=PILE_405M),
        "middle": _row(2.44, 2.50, before=PILE_405M),
        "highest": _row(2.48, 2.50, before=PILE_405M),
    },
    "strong": {
        "constant": _row(3.22, 1.21, before=PILE_405M),
        "lowest": _row(3.47, 1.13, before=PILE_405M),
        "middle": _row(3.56, 1.11, before=PILE_405M),
        "highest": _row(3.63, 1.11, before=PILE_405M),
    },
}
"""Table 12: shift -> learning rate (constant 3e-5; cosine to 1.5e-4, 3e-4, 6e-4) -> row."""

SCALE: Mapping[str, PaperRow] = {
    "previous": _row(1.75, 2.24, 1.99),
    "scratch": _row(2.08, 2.05, 2.07),
    "replay 0": _row(1.98, 2.00, 1.99, PILE_10B),
    "replay 5": _row(1.79, 2.00, 1.89, PILE_10B),
    "union": _row(1.72, 2.02, 1.87),
}
"""Table 4: the 10B model on the weak shift."""

SAME_DATA: Mapping[str, tuple[float, float]] = {"middle": (0.1, 0.35), "highest": (0.2, 0.45)}
"""Fig. 8: max learning rate (3e-4, 6e-4) -> peak rise on (the Pile again, SlimPajama)."""

MERGING: Mapping[str, tuple[float, float]] = {"weak": (32.10, 35.14), "strong": (27.57, 32.48)}
"""Table 6: shift -> mean accuracy in % of (best merged model, replay), 405M. No losses given."""
