"""The facts on which the memory of a model's training depends, counted on the meta device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import astuple
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

from raycl.plan.memory import Activations, Computed, MemoryFacts, activations_key
from raycl.plan.trained import ALL, Trains
from raycl.train.inspection.probe import pattern
from raycl.train.inspection.saved_bytes import saved_bytes
from raycl.train.inspection.size import contexts, tables
from raycl.train.model.adapters import plain_name
from raycl.train.model.empty import empty_causal_model
from raycl.train.model.head import head_of
from raycl.train.model.language_model import LanguageModel, transformer_blocks, vocabulary_of
from raycl.train.model.partial import restrict
from raycl.train.model.shrink import value_of

_TYPES: Mapping[Computed, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_FEW = (64, 128, 256)
"""Lengths from which that of a row follows, where a layer computes position after position."""


def count_memory(
    config: transformers.PretrainedConfig,
    unreached: Collection[str],
    length: int,
    trains: Trains = ALL,
) -> MemoryFacts | None:
    """The facts for rows of `length` tokens; None where the class computes nothing without values.

    `unreached` are patterns of the parameters that no gradient reaches. Raises InputError where the
    model does not have what `trains` names.
    """
    found: dict[str, Activations] = {}
    for attention in ("sdpa", "eager"):
        try:
            built: Any = empty_causal_model(copy.deepcopy(config), attention)
        except (ValueError, ImportError):
            continue
        model = built.to("meta")
        if not trains.everything:
            _freeze(model, unreached)
            restrict(LanguageModel(model), trains)
        for precision, dtype in _TYPES.items():
            with suppress(Exception):  # whatever a class raises that needs values
                kept = _activations(model.to(dtype), length)
                found[activations_key(precision, attention)] = kept
        _complete(found, attention)
    if activations_key("float32", "eager") not in found:
        return None
    return _facts(model, unreached, length, found)


def _freeze(model: nn.Module, unreached: Collection[str]) -> None:
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(pattern(name) not in unreached)


def _complete(found: dict[str, Activations], attention: str) -> None:
    """Give float32 at most twice the bytes of bfloat16 where only that could be counted.

    On the meta device the products of experts are refused in float32.
    """
    half = found.get(activations_key("bfloat16", attention))
    if half is not None:
        twice = Activations(*(2 * size for size in astuple(half)))
        found.setdefault(activations_key("float32", attention), twice)


def _activations(model: transformers.PreTrainedModel, length: int) -> Activations:
    """What a row keeps. State-space layers are counted on short rows: they loop over positions."""
    text = model.config.get_text_config()
    layers = value_of(text, "num_hidden_layers")
    if length <= _FEW[-1] or len(list(contexts(text, length))) == layers:
        return _counted(model, length)
    short = np.array([astuple(_counted(model, few)) for few in _FEW])
    curves = np.polynomial.polynomial.polyfit(_FEW, short, 2)
    sizes = np.polynomial.polynomial.polyval(length, curves)
    return Activations(*(float(size) for size in np.atleast_1d(sizes)))


def _counted(model: transformers.PreTrainedModel, length: int) -> Activations:
    blocks = transformer_blocks(LanguageModel(model))
    return saved_bytes(model, blocks, _width(model), length)


def _width(model: Any) -> int:
    return int(model.get_input_embeddings().weight.shape[1])


def _facts(
    model: transformers.PreTrainedModel,
    unreached: Collection[str],
    length: int,
    activations: Mapping[str, Activations],
) -> MemoryFacts:
    named = list(model.named_parameters())
    unused = {id(p) for name, p in named if pattern(plain_name(name)) in unreached}
    units = _units(model)
    trained = _units(model, lambda p: p.requires_grad and id(p) not in unused)
    partial = not all(parameter.requires_grad for parameter in model.parameters())
    head = getattr(model.get_output_embeddings(), "weight", None)
    return MemoryFacts(
        units=units,
        frozen=sum(units) - sum(trained),
        hidden=_width(model),
        vocabulary=vocabulary_of(model),
        sequence_length=length,
        chunked=head_of(model) is not None,
        activations=activations,
        trained_units=trained if partial else None,
        head_trained=head is None or head.requires_grad,
    )


def _units(
    model: transformers.PreTrainedModel, counts: Callable[[nn.Parameter], bool] = lambda _: True
) -> tuple[int, ...]:
    """Parameters of the look-up tables, of each block, and of the rest with the head."""
    blocks = transformer_blocks(LanguageModel(model))
    looked_up, inside = tables(model), {id(p) for block in blocks for p in block.parameters()}
    counted = [p for p in model.parameters() if counts(p)]
    embedding = sum(p.numel() for p in counted if id(p) in looked_up and id(p) not in inside)
    sizes = [sum(p.numel() for p in block.parameters() if counts(p)) for block in blocks]
    rest = sum(p.numel() for p in counted) - sum(sizes) - embedding
    return (embedding, *sizes, rest)
