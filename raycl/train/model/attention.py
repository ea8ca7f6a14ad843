"""Which implementation of attention a model is built with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
import transformers

from raycl.errors import InputError
from raycl.train.model.causal_attention import NAME as WITHOUT_MASK
from raycl.train.model.causal_attention import WITH_ONE_MASK, has_one_part, needs_no_mask

Attention = Literal["auto", "sdpa", "flash", "eager"]
FIELD = "execution.attention"
FLASH = "flash_attention_2"
NAMES: Mapping[str, str] = {"sdpa": "sdpa", "flash": FLASH, "eager": "eager"}
"""From values of `execution.attention` to names in transformers."""


def attention_choices(
    attention: Attention, device: torch.device, dtype: torch.dtype
) -> tuple[str, ...]:
    """Names in transformers; a model is built with the first that it supports.

    Raises InputError where `flash` cannot be used.
    """
    usable = device.type == "cuda" and dtype != torch.float32
    usable = usable and importlib.util.find_spec("flash_attn") is not None
    if attention == "flash" and not usable:
        raise InputError(
            FIELD, "flash needs flash-attn, a CUDA device and bfloat16", "Take sdpa or auto"
        )
    if attention != "auto":
        return (NAMES[attention],)
    return (FLASH, "sdpa", "eager") if usable else ("sdpa", "eager")


def built_with(
    config: transformers.PretrainedConfig,
    choices: Sequence[str],
    build: Callable[[str], transformers.PreTrainedModel],
    within: bool = False,
) -> transformers.PreTrainedModel:
    """The model with the first of the choices that it supports. Raises InputError.

    In place of `sdpa` it gets the same function without masks, where it needs none. With `within`
    it makes masks from positions, which stop at the borders of documents.
    """
    problems = []
    for choice in choices:
        if choice == "sdpa" and has_soft_cap(config):
            problems.append("it would leave out the soft cap of the model's attention")
            continue
        try:
            return build(_variant(config, within) if choice == "sdpa" else choice)
        except (ValueError, ImportError) as error:  # transformers names what is not supported
            problems.append(str(error).strip().split("\n")[0])
    if "attention" not in problems[-1]:
        raise InputError("model.config", problems[-1], "Give the configuration of a causal model")
    raise InputError(f"{FIELD} {choices[0]}", problems[0], "Take auto or eager")


def _variant(config: transformers.PretrainedConfig, within: bool) -> str:
    """The form of `sdpa` that makes as few masks as possible."""
    if within:
        return WITH_ONE_MASK if has_one_part(config) else "sdpa"
    return WITHOUT_MASK if needs_no_mask(config) else "sdpa"


def has_soft_cap(config: transformers.PretrainedConfig) -> bool:
    """Whether attention is capped, which torch's `scaled_dot_product_attention` cannot do."""
    return any(
        value is not None
        for name, value in _fields(config.to_dict())
        if name in ("attn_logit_softcapping", "attn_logit_softcap")
    )


def _fields(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _fields(value)
        else:
            yield name, value
