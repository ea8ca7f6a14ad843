"""Attention that stays within documents: with which implementation, and the proof that it does.

transformers makes masks, and flash attention its lengths, from positions that begin again. Not
every class heeds them, and a recurrence or a convolution knows no border at all. So a small model
of the same kind has to show that packed documents are computed as each of them is alone.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import torch
import transformers

from raycl.errors import InputError
from raycl.plan.documents import WITHIN
from raycl.train.model.attention import FLASH, built_with
from raycl.train.model.documents import Borders, positions_of
from raycl.train.model.dropout import silence_configuration, silence_modules
from raycl.train.model.flash_stand_in import STAND_IN
from raycl.train.model.quiet import silent
from raycl.train.model.shrink import built_for_trial, draw_common_weights, in_small

_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")
_WINDOW = 4
"""Tokens of a window in the trial, so that its documents are longer."""
_LENGTHS = ((7, 9), (1, 5, 10))
"""Tokens of the documents in each row of the trial."""
_NOISE = 1e-4
"""Of the largest logit: rounding is less, and another document that is seen is more."""

Built = Callable[[str], transformers.PreTrainedModel]


def built_within(
    config: transformers.PretrainedConfig, choices: Sequence[str], build: Built
) -> transformers.PreTrainedModel:
    """The model with the first of the choices that it supports and that stays within documents.

    `choices` are transformers' names. Raises InputError where there is none.
    """
    refused: InputError | None = None
    for choice in choices:
        try:
            model = built_with(config, (choice,), build, within=True)
        except InputError as error:  # it does not support this one, or cannot be built at all
            refused = refused or error
            continue
        parameters = sum(parameter.numel() for parameter in model.parameters())
        if stays_within(config.to_dict(), parameters, choice):
            return model
        refused = _refusal(config.model_type)
    raise refused or _refusal(config.model_type)


def check_within(config: Mapping[str, Any], parameters: int, choices: Sequence[str]) -> None:
    """Raise InputError where none of the choices keeps the model's attention within documents."""
    if not any(stays_within(config, parameters, choice) for choice in choices):
        raise _refusal(config["model_type"])


def _refusal(model_type: Any) -> InputError:
    return InputError(
        f"documents {WITHIN}",
        f"a small {model_type} model does not compute packed documents as it computes each alone",
        "Leave `documents` out (attend_across), or take a model with attention alone, by positions",
    )


def stays_within(config: Mapping[str, Any], parameters: int, choice: str) -> bool:
    """Whether packed documents are computed as each is alone; `parameters` is the model's size.

    `choice` is an implementation of attention. False where no small model could be tried.
    """
    text = json.dumps(dict(config), default=str, sort_keys=True)
    return _stays_within(text, parameters, STAND_IN if choice == FLASH else choice)


@lru_cache(maxsize=64)
def _stays_within(config: str, parameters: int, choice: str) -> bool:
    try:
        return bool(in_small(json.loads(config), parameters, partial(_shown, choice)))
    except Exception:  # whatever a class raises where it cannot be computed in this way
        return False


def _shown(choice: str, config: transformers.PretrainedConfig) -> bool:
    config = copy.deepcopy(config)
    silence_configuration(config)
    _narrow(vars(config))
    with torch.random.fork_rng(devices=[]), torch.device("cpu"), silent(), torch.no_grad():
        torch.manual_seed(0)
        model = built_for_trial(config, (choice,), within=True).eval()
        silence_modules(model)
        draw_common_weights(model)
        plain = built_for_trial(copy.deepcopy(config)).eval()
        silence_modules(plain)
        plain.load_state_dict(model.state_dict())
        return _same_alone(model, plain, flat=choice == STAND_IN)


def _narrow(fields: dict[str, Any]) -> None:
    """Make windows, and lengths from which rotary embeddings change, shorter than documents."""
    for name, value in fields.items():
        if name in (*_WINDOWS, "original_max_position_embeddings") and isinstance(value, int):
            fields[name] = _WINDOW
        elif isinstance(value, dict):
            _narrow(value)
        elif isinstance(value, transformers.PretrainedConfig):
            _narrow(vars(value))


def _same_alone(
    model: transformers.PreTrainedModel, plain: transformers.PreTrainedModel, flat: bool
) -> bool:
    """Whether packed rows give the logits of each document alone, and plain rows do not."""
    embedding: Any = model.get_input_embeddings()
    rows, documents = _rows(len(embedding.weight))
    ids, places = rows[:, :-1], positions_of(rows, Borders(end=0))
    given = (ids.reshape(1, -1), places.reshape(1, -1)) if flat else (ids, places)
    packed = _logits(model, given[0], position_ids=given[1]).flatten(0, 1)
    alone = torch.cat([_logits(plain, document[None])[0] for document in documents])
    across = _logits(plain, ids).flatten(0, 1)
    noise = _NOISE * float(alone.abs().max())
    return _differ(packed, alone) <= noise < _differ(across, alone)


def _rows(vocabulary: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Rows [count, length + 1] of documents that end with token 0, and these documents."""
    documents = [
        torch.cat([torch.randint(1, vocabulary, (length - 1,)), torch.zeros(1, dtype=torch.int64)])
        for lengths in _LENGTHS
        for length in lengths
    ]
    rows = torch.cat(documents).view(len(_LENGTHS), -1)
    return torch.cat([rows, torch.ones_like(rows[:, :1])], dim=1), documents


def _logits(
    model: transformers.PreTrainedModel, ids: torch.Tensor, **positions: torch.Tensor
) -> torch.Tensor:
    logits: torch.Tensor = model(input_ids=ids, use_cache=False, **positions).logits
    return logits.float()


def _differ(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).abs().max())
