"""Tries a model on a few made-up tokens: whether it is causal, and what its gradients reach.

The answers depend on how a model is built and not on its weights, so large models are tried in
small (`raycl/train/model/shrink.py`).
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import transformers

from raycl.errors import InputError
from raycl.plan.training import ModelSpec
from raycl.train.model.dropout import silence_configuration, silence_modules
from raycl.train.model.language_model import LanguageModel, vocabulary_of
from raycl.train.model.quiet import silent
from raycl.train.model.shrink import built_for_trial, in_small

_LENGTH = 16
_NOISE = 1e-5
"""Rounding changes logits by less, relative to the largest of them; other inputs by more."""


@dataclass(frozen=True)
class Behaviour:
    """What the trial of a model showed."""

    causal: bool
    unreached: frozenset[str]
    """Patterns of parameters that no gradient reaches: names with `*` in place of numbers."""


def behaviour(config: Mapping[str, Any], parameters: int) -> Behaviour | None:
    """How the model of a complete configuration behaves; `parameters` is its size.

    None where it is large and no small model of its kind could be made. Raises InputError where
    the model cannot compute a loss from token ids alone.
    """
    return _behaviour(json.dumps(dict(config), default=str, sort_keys=True), parameters)


@lru_cache(maxsize=64)
def _behaviour(config: str, parameters: int) -> Behaviour | None:
    return in_small(json.loads(config), parameters, _tried)


def freeze_unreached(model: LanguageModel, spec: ModelSpec) -> None:
    """Take parameters that no gradient reaches, such as a vision tower's, out of the training.

    They need no moments, and AdamW would not change them anyway.
    """
    config = model.model.config
    shown = behaviour(spec.config or config.to_dict(), sum(p.numel() for p in model.parameters()))
    if shown is not None:
        model.unreached = shown.unreached
        for name, parameter in model.model.named_parameters():
            parameter.requires_grad_(pattern(name) not in shown.unreached)


def pattern(name: str) -> str:
    """A parameter's name with `*` in place of numbers, so that all layers have the same."""
    return re.sub(r"\.\d+\.", ".*.", name)


def _tried(config: transformers.PretrainedConfig) -> Behaviour:
    given = copy.deepcopy(config)
    silence_configuration(config)
    with torch.random.fork_rng(devices=[]), silent():
        torch.manual_seed(0)
        try:
            model = LanguageModel(built_for_trial(config))
            silence_modules(model)
            _stir(model)
            _check_silenced(model.model, built_for_trial(given))
            return Behaviour(_is_causal(model), _unreached(model))
        except InputError:
            raise
        except Exception as error:  # whatever a class raises for sizes or rows that it cannot take
            reason = str(error).strip().split("\n")[0] or type(error).__name__
            raise InputError(
                f"model_type {config.model_type!r}",
                f"it computes no loss from token ids alone ({reason})",
                "Correct the sizes in its configuration, or give a causal language model",
            ) from error


@torch.no_grad()
def _stir(model: LanguageModel) -> None:
    """Move every weight a little: a matrix that begins at zero would hide what lies behind it."""
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter), alpha=0.02)


@torch.no_grad()
def _check_silenced(
    model: transformers.PreTrainedModel, noisy: transformers.PreTrainedModel
) -> None:
    """Raise InputError where training without noise is not the model as it is used afterwards."""
    noisy.load_state_dict(model.state_dict())
    # Where experts are chosen, a few tokens of a hundred may show it.
    rows = torch.randint(0, vocabulary_of(model), (16, _LENGTH))
    used = noisy.eval()(input_ids=rows, use_cache=False).logits
    trained = model.train()(input_ids=rows, use_cache=False).logits
    if not _are_close(trained, used):
        raise InputError(
            f"model_type {model.config.model_type!r}",
            "the noise of its training cannot be turned off without changing what it computes",
            "Give a model whose routing is no random choice",
        )


def _are_close(logits: torch.Tensor, others: torch.Tensor) -> bool:
    return bool(((logits - others).abs() <= _NOISE * float(logits.abs().max())).all())


@torch.no_grad()
def _is_causal(model: LanguageModel) -> bool:
    """Whether logits stay the same when tokens after them change."""
    model.eval()
    row = torch.randint(0, model.vocabulary, (1, _LENGTH))
    other = row.clone()
    half = _LENGTH // 2
    other[:, half:] = (other[:, half:] + 1) % model.vocabulary
    logits, changed = (
        model.model(input_ids=ids, use_cache=False).logits[:, :half] for ids in (row, other)
    )
    return _are_close(logits, changed)


def _unreached(model: LanguageModel) -> frozenset[str]:
    """Patterns whose parameters all stay without a gradient in a step."""
    model.train()
    model(torch.randint(0, model.vocabulary, (2, _LENGTH + 1))).backward()
    parameters = list(model.model.named_parameters())
    reached = {pattern(name) for name, parameter in parameters if parameter.grad is not None}
    # Which experts have tokens depends on the weights.
    names = {pattern(name) for name, _ in parameters if "experts" not in name}
    return frozenset(names - reached)
