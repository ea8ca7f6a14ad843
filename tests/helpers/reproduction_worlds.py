"""Worlds whose losses we choose, in which we know what the paper's claims come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from raycl.reproduction.tables import paper_numbers as paper

Losses = tuple[float, float]
"""Losses on D0 and D1, in nats/token."""


def _replay() -> dict[str, dict[float, Losses]]:
    return {
        shift: {share: (row.old, row.new) for share, row in rows.items()}
        for shift, rows in paper.REPLAY.items()
    }


def _rates() -> dict[str, dict[str, Losses]]:
    found = {
        shift: {name: (row.old, row.new) for name, row in rows.items()}
        for shift, rows in paper.MAX_LR.items()
    }
    found["weak"]["warm"], found["strong"]["warm"] = (2.50, 2.53), (3.70, 1.15)
    return found


def _warmups() -> dict[str, dict[float, Losses]]:
    lengths = (0.0, 0.005, 0.01, 0.02)
    return {
        "weak": dict.fromkeys(lengths, (2.44, 2.50)),
        "strong": dict.fromkeys(lengths, (3.56, 1.11)),
    }


@dataclass(frozen=True)
class World:
    """Final losses (D0, D1) by experiment; as made, they are the paper's or like them."""

    before: Losses = (2.17, 2.70)
    strong_before: Losses = (2.17, 5.0)
    replay: Mapping[str, Mapping[float, Losses]] = field(default_factory=_replay)
    union: Mapping[str, Losses] = field(
        default_factory=lambda: {"weak": (2.17, 2.53), "strong": (2.26, 1.25)}
    )
    rates: Mapping[str, Mapping[str, Losses]] = field(default_factory=_rates)
    warmups: Mapping[str, Mapping[float, Losses]] = field(default_factory=_warmups)
    spike: float = 0.8  # of the training loss without a warm-up
    same_data: Sequence[float] = (0.05, 0.10, 0.20)  # peak rise by max LR
    scale: Sequence[Losses] = ((1.98, 2.00), (1.79, 2.00))  # replay 0 and 5 %
    single: Sequence[float] = (2.600, 2.605, 2.604, 2.700)  # cosine, two infinite ones, constant
    trunk: Sequence[float] = (2.600, 2.680, 2.680)
    annealed: Sequence[float] = (2.603, 2.604)
    bumps: Sequence[float] = (0.06, -0.002, -0.002)
    domains: Sequence[float] = (3.4, 3.0, 3.3, 2.9)  # cosine, inverse-sqrt, each 0 and 5 %
    mixed: float = 2.6
    history: Losses = (0.40, 0.08)  # mean forgetting at 0 and 5 %
    merged: Mapping[str, Losses] = field(
        default_factory=lambda: {"weak": (2.35, 2.60), "strong": (2.6, 2.4)}
    )
    noise: float = 0.001


HOLDING = World()

_WORSE_WITH_REPLAY = {
    0.0: (2.40, 1.5),
    0.005: (2.5, 1.5),
    0.01: (2.55, 1.5),
    0.05: (2.6, 1.5),
    0.10: (2.7, 1.5),
    0.25: (2.8, 1.5),
    0.50: (2.9, 1.5),
}
_HARMLESS = {
    "constant": (3.0, 1.0),
    "warm": (2.8, 1.2),
    "lowest": (2.9, 1.2),
    "middle": (2.7, 1.3),
    "highest": (2.5, 1.4),
}
REVERSED = World(
    replay={"weak": _WORSE_WITH_REPLAY, "strong": _WORSE_WITH_REPLAY},
    rates={"weak": _HARMLESS, "strong": _HARMLESS},
    spike=-0.5,
    same_data=(-0.02, -0.03, -0.04),
    scale=((1.70, 2.0), (1.74, 2.0)),
    single=(2.7, 2.7, 2.7, 2.6),
    bumps=(-0.02, 0.02, 0.02),
    mixed=4.0,
    history=(0.10, 0.09),
    merged={"weak": (1.5, 1.5), "strong": (1.0, 1.0)},
)
"""Every direction the other way round."""

_DEAR = {
    0.0: (2.9, 1.5),
    0.005: (2.8, 1.9),
    0.01: (2.7, 2.0),
    0.05: (2.6, 2.0),
    0.10: (2.5, 2.1),
    0.25: (2.4, 2.2),
    0.50: (2.3, 2.3),
}
_UNEQUAL = {0.0: (2.9, 1.5), 0.005: (2.7, 1.7), 0.01: (2.5, 1.9), 0.02: (2.3, 2.1)}
FAR_APART = replace(
    HOLDING,
    replay={"weak": _DEAR, "strong": _DEAR},
    union={"weak": (2.1, 1.3), "strong": (2.1, 1.3)},
    warmups={"weak": _UNEQUAL, "strong": _UNEQUAL},
    scale=((1.98, 2.00), (1.95, 2.00)),
    single=(2.6, 2.68, 2.69, 2.7),
    annealed=(2.64, 2.64),
    bumps=(0.06, 0.05, 0.05),
)
"""Effects are there, but nothing comes near to what it is measured by."""
