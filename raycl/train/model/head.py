"""What a model does between its head's product and its logits: nothing, a scale, a soft cap.

transformers' classes spell it in their forward pass alone. So the fields of the configuration only
suggest it, and a small model of the same kind proves it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import lru_cache

import torch
import transformers
from torch.nn import functional

from raycl.train.model.dropout import silence_configuration, silence_modules
from raycl.train.model.loss import Head
from raycl.train.model.quiet import silent
from raycl.train.model.shrink import built_for_trial, draw_common_weights, in_small

_SOFT_CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")
_FACTORS = ("logit_scale", "lm_head_multiplier", "output_multiplier")
_DIVISORS = ("logits_scaling",)
_LENGTH = 16
_LARGE_LOGIT = 20.0
"""Logits of the trial are as large as this, or as three caps, so that a cap or a scale shows."""
_NOISE = 1e-4
"""Of the largest logit: rounding is less, a cap or a scale that is left out is more."""


def head_of(model: transformers.PreTrainedModel) -> Head | None:
    """The head whose logits are the model's; None where none of those suggested is.

    The model may be on the meta device: only its configuration and its size are looked at.
    """
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return _head(json.dumps(model.config.to_dict(), default=str, sort_keys=True), parameters)


@lru_cache(maxsize=64)
def _head(config: str, parameters: int) -> Head | None:
    try:
        return in_small(json.loads(config), parameters, _proven)
    except Exception:  # a model that cannot be tried, whatever its class raises, keeps its logits
        return None


def _proven(config: transformers.PretrainedConfig) -> Head | None:
    config = copy.deepcopy(config)
    silence_configuration(config)
    with torch.random.fork_rng(devices=[]), torch.device("cpu"), silent(), torch.no_grad():
        torch.manual_seed(0)
        model = built_for_trial(config).eval()
        silence_modules(model)
        return next((head for head in _suggested(config) if _has(model, head)), None)


def _suggested(config: transformers.PretrainedConfig) -> Iterator[Head]:
    """The heads that fields of the configuration may mean, the one that heeds them all first."""
    text = config.get_text_config()
    caps = [float(cap) for name in _SOFT_CAPS if (cap := getattr(text, name, None))]
    scales = [float(factor) for name in _FACTORS if (factor := getattr(text, name, None))]
    scales += [1 / float(divisor) for name in _DIVISORS if (divisor := getattr(text, name, None))]
    for cap in (*caps, None):
        for scale in (*scales, 1.0):
            yield Head(cap, scale)


def _has(model: transformers.PreTrainedModel, head: Head) -> bool:
    """Whether the head makes the model's logits from the hidden states of its base."""
    projection = model.get_output_embeddings()
    if projection is None or model.base_model is model:
        return False
    draw_common_weights(model)
    largest = 3 * head.soft_cap if head.soft_cap is not None else _LARGE_LOGIT
    ids = torch.randint(0, projection.weight.shape[0], (2, _LENGTH))
    for _ in range(3):  # where the embedding is tied, hidden states change with the head
        projection.weight.mul_(largest / float(_product(model, ids).mul_(head.scale).abs().max()))
    product, logits = _product(model, ids), model(input_ids=ids, use_cache=False).logits.float()
    telling = float(product.abs().max()) * abs(head.scale) > largest / 3
    found = head.logits(product)
    if not telling or found.shape != logits.shape:
        return False
    return bool(((found - logits).abs() <= _NOISE * logits.abs().max()).all())


def _product(model: transformers.PreTrainedModel, ids: torch.Tensor) -> torch.Tensor:
    projection = model.get_output_embeddings()
    hidden = model.base_model(input_ids=ids, use_cache=False)[0].float()
    return functional.linear(hidden, projection.weight, getattr(projection, "bias", None))
