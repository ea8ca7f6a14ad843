"""How models are merged: the method with its numbers, and the name of the state that comes out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from raycl.errors import InputError
from raycl.units import format_number

Kind = Literal["ties", "linear", "task-arithmetic", "instruct-residual"]
KINDS: tuple[Kind, ...] = ("linear", "task-arithmetic", "ties")
"""The methods that a user chooses from; an instruct residual is asked for by its model."""
START = "start"
"""The word for the pretrained model from which the training of a state began."""

_LARGEST = 1000
"""The largest factor: weights that are a thousand times what changed are no model."""
_FORMAT = 1
"""Part of a merge's name. Raise it when the meaning of a merge changes, so that no old state is
taken for a new one."""


@dataclass(frozen=True)
class MergeMethod:
    """One way to make one model of a base and of others; `raycl/weights/` has the formulas."""

    kind: Kind
    weight: Fraction = Fraction(1)
    """`linear`: the share of the others, 0 to 1; else the factor λ on what the others changed."""
    density: Fraction | None = None
    """`ties` alone: the share of changes that stays, above 0 and up to 1."""
    weights: tuple[Fraction, ...] = ()
    """`task-arithmetic` alone: a factor for each model, in the order in which they are named; it
    takes the place of `weight`, which is then 1. Empty: all have `weight`."""

    def __post_init__(self) -> None:
        """Raise InputError for a weight or density that the method cannot have."""
        if self.weights and (self.kind != "task-arithmetic" or self.weight != 1):
            problem = "a weight for each model is of task-arithmetic alone"
            raise InputError(f"weights {self.text}", problem, "Give one weight for all")
        if self.kind == "linear" and not 0 <= self.weight <= 1:
            where = f"weight {_percent(self.weight)}"
            raise InputError(where, "not a share of the trained weights", "Give 0% to 100%")
        for weight in (self.weight, *self.weights):
            if abs(weight) > _LARGEST:
                where = f"weight {float(weight):g}"
                raise InputError(where, f"beyond {_LARGEST}", "Give a number such as 0.5")
        if self.density is not None and not 0 < self.density <= 1:
            where = f"density {float(self.density):g}"
            raise InputError(where, "not a share above 0", "Give 1% to 100%")

    @property
    def text(self) -> str:
        """The numbers for people: `50%`, `0.3,0.7` for two models, `20% at 0.9` for TIES."""
        if self.weights:
            return ",".join(map(format_number, self.weights))
        if self.density is None:
            return _percent(self.weight)
        factor = "" if self.weight == 1 else f" at {float(self.weight):g}"
        return _percent(self.density) + factor

    def in_order(self, models: Sequence[str]) -> tuple[MergeMethod, tuple[str, ...]]:
        """The method and the models, sorted by name: their order changes no merge.

        Each model keeps its weight. Raises InputError where there are more or fewer weights.
        """
        if not self.weights:
            return self, tuple(sorted(models))
        if len(self.weights) != len(models):
            problem = f"{len(self.weights)} weights for {len(models)} models"
            raise InputError(f"weights {self.text}", problem, "Give one for each model")
        pairs = sorted(zip(models, self.weights, strict=True))
        return replace(self, weights=tuple(w for _, w in pairs)), tuple(m for m, _ in pairs)


def ties(density: Fraction | float, scale: Fraction | float = 1) -> MergeMethod:
    """TIES with its density and its factor, which mean the decimal numbers that they print as."""
    return MergeMethod("ties", Fraction(str(scale)), Fraction(str(density)))


def merged_name(method: MergeMethod, base: str, models: Sequence[str]) -> str:
    """The name of a merge: zero training steps, and a hash of everything that determines it.

    `base` and `models` are names of states, or the folders in the storage of pretrained models,
    whose names are hashes too. Models count in any order, so they are given sorted, but for an
    instruct residual. A chain hashes other content, so no chain ever has a state of this name.
    """
    content: list[Any] = [method.kind, _FORMAT, base, list(models), str(method.weight)]
    if method.weights:  # a list in place of a text, so that no merge with one weight has this name
        content[-1] = [str(weight) for weight in method.weights]
    if method.density is not None:
        density, scale = str(method.density), float(method.weight)
        content = ["TIES", _FORMAT, base, list(models), density, scale]
    return f"{0:09d}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]}"


def _percent(value: Fraction) -> str:
    return f"{format_number(100 * value)}%"
