"""Schedules as a recipe writes them, and steps as schedules take them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def written(kind: Any, **fields: Any) -> Any:
    """A schedule from fields as a recipe writes them, such as `warmup="1%"`."""
    return kind(**fields)


def steps_of(count: int) -> NDArray[np.float64]:
    """The first steps of a stage, as schedules take them."""
    return np.arange(count, dtype=np.float64)
