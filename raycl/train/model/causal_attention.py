"""Causal attention without a mask, where a model's configuration asks for nothing else.

For its own `sdpa`, transformers makes a mask in each forward pass, or finds out that none is needed
by a question that waits for the device. It makes none for an attention function that has no
function for masks beside it. Such a one is registered here: it is transformers' own, which is
causal by itself where it gets no mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import transformers
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

NAME = "sdpa_without_mask"
"""Its name in transformers. A name with `sdpa` in it is refused for models that have no sdpa."""
_NARROWER = ("sliding_window", "attention_chunk_size", "window_size", "attention_window", "alibi")
"""Fields that, where set, have a mask say more than that attention is causal."""

transformers.AttentionInterface.register(NAME, sdpa_attention_forward)


def needs_no_mask(config: transformers.PretrainedConfig) -> bool:
    """Whether all attention of the model is causal over the whole row, and nothing else.

    The model's class has to take its attention from transformers' registry.
    """
    cls: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    if cls is None or not (cls._supports_sdpa and cls.is_backend_compatible()):
        return False
    fields = config.to_dict()
    if any(isinstance(value, Mapping) and "model_type" in value for value in fields.values()):
        return False  # a model of several parts, of which some may see all positions
    kinds = fields.get("layer_types") or ["full_attention"]
    return set(kinds) == {"full_attention"} and not any(fields.get(name) for name in _NARROWER)
