"""The loss of a small recipe over learning rate and replay: a table of real trainings, made smooth.

The table is `samplers.csv`: the recipe of `samplers.yaml`, one line for each point and each rung.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from functools import cached_property
from math import log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator

import raycl
from raycl.units import parse_number

RATE, REPLAY = "german.schedule.max_lr", "german.replay"
TABLE = Path(__file__).with_name("samplers.csv")
RECIPE = Path(__file__).with_name("samplers.yaml")
SWEEP = "rate-and-replay"
STEPS = 36
"""Steps of the stage."""
_COLUMNS = ("max_lr", "replay", "step", "english", "german")
_Floats = np.ndarray[Any, np.dtype[np.float64]]


class Surface:
    """The average of both losses (nats/token) at any point within the table, at each of its steps.

    Between points it is interpolated by monotone cubics (Fritsch and Carlson 1980) over the
    logarithm of the rate and the root of the replayed share, the rate first. These never leave the
    range of their neighbours, so the lowest value of the surface is the lowest of the table.
    """

    def __init__(self, table: Mapping[tuple[float, float, int], float]) -> None:
        self.rates = sorted({rate for rate, _, _ in table})
        self.shares = sorted({share for _, share, _ in table})
        self.steps = sorted({step for _, _, step in table})
        """Steps of the stage after which losses are known."""
        self._table = {
            step: np.array([[table[r, s, step] for s in self.shares] for r in self.rates])
            for step in self.steps
        }

    @property
    def end(self) -> int:
        """Steps of the stage."""
        return self.steps[-1]

    @property
    def best(self) -> float:
        """The lowest loss at the end of the stage."""
        return float(self._table[self.end].min())

    @property
    def final(self) -> _Floats:
        """The losses at the end of the stage, a line for each rate and a column for each share."""
        return self._table[self.end]

    def loss(self, fields: Mapping[str, Any], step: int) -> float:
        """The loss of a recipe with these fields after so many steps of the stage."""
        rate, share = (float(parse_number(fields[name])) for name in (RATE, REPLAY))
        along = self._by_rate[step](log(rate))
        return float(PchipInterpolator(_roots(self.shares), along)(sqrt(share)))

    @cached_property
    def _by_rate(self) -> dict[int, Any]:
        logarithms = [log(rate) for rate in self.rates]
        return {step: PchipInterpolator(logarithms, rows) for step, rows in self._table.items()}


def _roots(shares: list[float]) -> list[float]:
    return [sqrt(share) for share in shares]


def read_surface(path: Path = TABLE) -> Surface:
    """The surface of a table."""
    with path.open(newline="") as file:
        return Surface(
            {
                (float(line["max_lr"]), float(line["replay"]), int(line["step"])): (
                    float(line["english"]) + float(line["german"])
                )
                / 2
                for line in csv.DictReader(file)
            }
        )


def write_table(storage: str, path: Path = TABLE) -> None:
    """Write the table of a finished sweep of `samplers.yaml` in a storage."""
    found = sorted(_lines(storage))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows(found)


def _lines(storage: str) -> Iterator[tuple[float, float, int, float, float]]:
    """Rate, share, step of the stage, and both losses after it, as far as they were measured."""
    runs = raycl.load(storage, SWEEP)
    for recipe in runs.results.to_dict("records"):
        history = runs.history(str(recipe["recipe"])).dropna(subset=["validation/german"])
        before = int(history["step"].max()) + 1 - STEPS
        for line in history.to_dict("records"):
            step = int(line["step"]) + 1 - before  # the line of a step holds what came after it
            if step > 0:
                rate, share = (float(parse_number(recipe[name])) for name in (RATE, REPLAY))
                english, german = line["validation/english"], line["validation/german"]
                yield rate, share, step, round(english, 4), round(german, 4)
