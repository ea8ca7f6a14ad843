"""What a law is: a formula with parameters, and where its fit may begin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


class Law(ABC):
    """A formula for losses. Parameters are fitted as an unbounded vector, in `parameters`' order.

    A positive parameter is fitted as its logarithm, which keeps it positive without bounds.
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

    @abstractmethod
    def values(self, fitted: Array) -> dict[str, float]:
        """The parameters by name, as the formula has them."""

    @property
    def least_points(self) -> int:
        """The fewest points that it is fitted to: two more than it has parameters."""
        return len(self.parameters) + 2
