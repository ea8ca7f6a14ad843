"""How weights are updated: AdamW and the clipping of its gradients.

To add an option: give it a field in `Optimizer`, with a default that trains as before, and use it
in `raycl/train/optimizer.py`. Nothing between the two names the fields.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from raycl.plan.configuration import Configuration
from raycl.units import Real

_ALWAYS_IN_NAMES = frozenset(
    {"beta1", "beta2", "epsilon", "weight_decay", "gradient_clip", "gradient_skip"}
)
"""Fields whose values are part of every state's name even where they are the defaults.

The set never grows: with another field in it, no stored state would be found again.
"""


class Optimizer(Configuration):
    """AdamW and clipping; the defaults are the paper's (§2)."""

    beta1: Real = Field(default=0.9, ge=0, lt=1, description="decay of the gradient's mean")
    beta2: Real = Field(default=0.95, ge=0, lt=1, description="decay of the squared gradient's")
    epsilon: Real = Field(default=1e-8, gt=0, le=1, description="added to the root of the latter")
    weight_decay: Real = Field(
        default=0.1, ge=0, le=100, description="decoupled from the gradient, of all matrices"
    )
    gradient_clip: Real = Field(
        default=1.0, gt=0, description="the largest norm of a step's gradient; 1e9 clips none"
    )
    gradient_skip: Real | None = Field(
        default=None,
        gt=0,
        description="skip a step whose gradient norm, before clipping, is above it (a spike)",
    )

    def in_names(self) -> dict[str, Any]:
        """The fields that are part of a state's name, with their values.

        A field that is None asks for nothing and is left out. A field outside `_ALWAYS_IN_NAMES`
        is in the names only where it differs from its default, so that a new option leaves the
        names of all stored states as they are.
        """
        fields = type(self).model_fields
        return {
            name: value
            for name, value in self.model_dump().items()
            if value is not None
            and (name in _ALWAYS_IN_NAMES or value != fields[name].get_default())
        }
