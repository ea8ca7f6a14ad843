"""Causal attention without a mask where a configuration asks for nothing else, or with one mask.

For its own `sdpa`, transformers makes a mask in each forward pass, or finds out that none is needed
by a question that waits for the device. It makes none for an attention function that has no
function for masks beside it. Such a one is registered here: it is transformers' own, which is
causal by itself where it gets no mask.

Where documents are kept apart, a mask is needed. That of `sdpa` is of booleans, from which torch
makes numbers in each layer, and keeps them for the backward pass. So another name has the same
function, and the mask of numbers that transformers makes once for `eager`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import transformers
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

NAME = "sdpa_without_mask"
"""Its name in transformers. A name with `sdpa` in it is refused for models that have no sdpa."""
WITH_ONE_MASK = "sdpa_with_one_mask"
"""The same with a mask of numbers, which all layers share."""
_NARROWER = ("sliding_window", "attention_chunk_size", "window_size", "attention_window", "alibi")
"""Fields that, where set, have a mask say more than that attention is causal."""

transformers.AttentionInterface.register(NAME, sdpa_attention_forward)
transformers.AttentionInterface.register(WITH_ONE_MASK, sdpa_attention_forward)
AttentionMaskInterface.register(WITH_ONE_MASK, eager_mask)


def needs_no_mask(config: transformers.PretrainedConfig) -> bool:
    """Whether all attention of the model is causal over the whole row, and nothing else.

    The model's class has to take its attention from transformers' registry.
    """
    if not has_one_part(config):
        return False
    fields = config.to_dict()
    kinds = fields.get("layer_types") or ["full_attention"]
    return set(kinds) == {"full_attention"} and not any(fields.get(name) for name in _NARROWER)


def has_one_part(config: transformers.PretrainedConfig) -> bool:
    """Whether the model's class takes `sdpa` from transformers' registry, for one model of text.

    Of a model of several parts, some may see all positions.
    """
    cls: Any = MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    if cls is None or not (cls._supports_sdpa and cls.is_backend_compatible()):
        return False
    parts = config.to_dict().values()
    return not any(isinstance(part, Mapping) and "model_type" in part for part in parts)
