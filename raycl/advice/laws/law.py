"""What a law is: a formula with parameters, and where its fit may begin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


class Law(ABC):
    """A formula for losses. A vector of parameters has the order of `parameters`.

    All are positive, and fitted as their logarithms, which keeps them positive without bounds.
    """

    name: str
    """As it stands in a sentence."""
    source: str
    """Where it was published."""
    parameters: tuple[str, ...]

    @abstractmethod
    def predict(self, fitted: Array, inputs: Array) -> Array:
        """The losses (nats/token) [points] at inputs [points, inputs of the law]."""

    @abstractmethod
    def slopes(self, fitted: Array, inputs: Array) -> Array:
        """The derivatives of the losses by the fitted parameters [points, parameters]."""

    @abstractmethod
    def starts(self, inputs: Array, losses: Array) -> Sequence[Array]:
        """Vectors of parameters where a fit may begin, from points of the user's own."""

    def values(self, fitted: Array) -> dict[str, float]:
        """The parameters by name, as the formula has them."""
        return dict(zip(self.parameters, map(float, np.exp(fitted)), strict=True))

    @property
    def least_points(self) -> int:
        """The fewest points that it is fitted to: two more than it has parameters."""
        return len(self.parameters) + 2
