"""A sampler that learns nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from raycl.recipe.space import Space
from raycl.search.samplers.sampler import History


@dataclass(frozen=True)
class RandomSampler:
    """Draws each point independently of all others."""

    space: Space

    def ask(self, history: History, seed: int) -> dict[str, Any]:
        """A point at random."""
        del history
        return self.space.draw(random.Random(seed))
