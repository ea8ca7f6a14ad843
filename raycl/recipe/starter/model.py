"""A model as somebody names it for a first recipe: a folder, a hub name, a preset, or a size."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

from raycl.data.tokenizer import Choice
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, make_tokenizer
from raycl.errors import InputError
from raycl.models.configuration import positions
from raycl.models.find import find_start
from raycl.models.hub import is_hub_name
from raycl.models.read import is_there, local_folder
from raycl.models.start import Start
from raycl.models.tokenizer import own_files
from raycl.plan.presets import PRESETS, flops_per_token, parameter_count
from raycl.recipe.starter.answers import ModelAnswer

RANDOM = "random"
"""The answer for a preset of a size that suits the budget."""
_TOKENS_PER_PARAMETER = 20
"""Of a model from random weights whose size suits its training (Hoffmann et al. 2022)."""
_SHORT = 512
"""The sequence length at which FLOPs are counted before the recipe's own is known."""
_VOCABULARIES = ((20_000_000, 2048), (200_000_000, 8192), (2_000_000_000, 16384))
"""Up to so many bytes of text, so many tokens."""
_LARGE_VOCABULARY = 32768
_BYTES_PER_TOKEN: Mapping[int, float] = {2048: 3.0, 8192: 3.7, 16384: 4.0, 32768: 4.3}
"""What byte-level BPE of such sizes has on English, about."""


def check_model(text: str) -> str:
    """The answer if a model can be meant by it. Raises InputError; the hub is not asked here."""
    if text in PRESETS or text == RANDOM:
        return text
    if is_there(local_folder(text, Path.cwd())):
        return text
    near = difflib.get_close_matches(text, [*PRESETS, RANDOM], 1, 0.7)
    if near:
        raise InputError(repr(text), "no folder and no preset", f"Do you mean {near[0]}?")
    if not is_hub_name(text) or text.count("/") != 1:
        known = ", ".join(PRESETS)
        remedy = f"Give an existing folder, owner/model of the hub, {RANDOM}, or one of {known}"
        raise InputError(repr(text), "no folder, no preset and no hub name", remedy)
    return text


def given_model(reference: str, random: bool) -> tuple[ModelAnswer, TextTokenizer | None]:
    """A model from a folder or the hub, and its tokenizer; None where none came with it.

    `random` takes its configuration alone. Raises InputError where it cannot be used.
    """
    start, _ = find_start(reference, Path.cwd(), None)
    files = own_files(start, None)
    if files is None:
        where = f"model.pretrained {reference!r}"
        remedy = "Put its tokenizer.json (with tokenizer_config.json) into the folder"
        raise InputError(where, "no tokenizer came with it, and its weights need its own", remedy)
    tokenizer = make_tokenizer(files, Choice())
    parameters = _parameters(start)
    flops = _flops(start.config, parameters)
    fields: dict[str, Any] = {"pretrained": reference}
    found = positions(start.config)
    if random:
        fields["weights"] = "random"
    return ModelAnswer(fields, parameters, flops, found and found[1], None), tokenizer


def preset_model(name: str, text_bytes: int) -> tuple[ModelAnswer, float]:
    """A preset with a tokenizer that fits the text, and its bytes for each token, about."""
    vocabulary = next((size for most, size in _VOCABULARIES if text_bytes <= most), None)
    vocabulary = vocabulary or _LARGE_VOCABULARY
    config = {**PRESETS[name], "vocab_size": vocabulary}
    tokenizer = {"train": {"vocabulary": vocabulary}}
    flops = flops_per_token(config, _SHORT)
    found = positions(config)
    model = ModelAnswer(
        {"preset": name}, parameter_count(config), flops, found and found[1], tokenizer
    )
    return model, _BYTES_PER_TOKEN[vocabulary]


def suitable_preset(text_bytes: int, tokens: Callable[[ModelAnswer, float], float]) -> str:
    """The largest preset that `tokens` (by model and bytes a token) train well; else the smallest.

    That is 20 tokens for each parameter or more.
    """
    sizes = sorted(PRESETS, key=lambda name: parameter_count({**PRESETS[name], "vocab_size": 8192}))
    best = sizes[0]
    for name in sizes:
        model, bytes_per_token = preset_model(name, text_bytes)
        if tokens(model, bytes_per_token) >= _TOKENS_PER_PARAMETER * model.parameters:
            best = name
    return best


def _parameters(start: Start) -> int:
    return sum(prod(header.shape) for header in start.tensors.values())


def _flops(config: Mapping[str, Any], parameters: int) -> float:
    """By the closed form where there is one; else 6 for each parameter."""
    try:
        return flops_per_token(config, _SHORT)
    except (KeyError, ValueError, TypeError):
        return 6.0 * parameters
