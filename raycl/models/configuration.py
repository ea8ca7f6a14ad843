"""Checks the configuration of a model: names and values of fields, positions. Torch is not needed.

A Hugging Face configuration takes any name without a word, and a model that is built from it then
ignores what was meant. So a name that its class does not know is refused.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from typing import Any

from raycl.errors import InputError
from raycl.models.known_fields import KNOWN_FIELDS, OTHER_NAMES, ROPE_FIELDS, names

_PRESET_FIELDS = names(
    "model_type vocab_size hidden_size num_hidden_layers num_attention_heads "
    "num_key_value_heads intermediate_size max_position_embeddings tie_word_embeddings "
    "use_parallel_residual attention_bias mlp_bias attention_dropout hidden_dropout "
    "initializer_range layer_norm_eps rms_norm_eps bos_token_id eos_token_id"
)
_FLAGS = names(
    "tie_word_embeddings use_parallel_residual attention_bias mlp_bias use_cache is_decoder"
)
_LAYERS = {"num_hidden_layers", *OTHER_NAMES["num_hidden_layers"].split()}
_SIZES = {
    name
    for field in (
        "hidden_size",
        "num_attention_heads",
        "num_key_value_heads",
        "intermediate_size",
        "max_position_embeddings",
        "vocab_size",
    )
    for name in (field, *OTHER_NAMES[field].split())
} | {"head_dim"}
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len")
_MOST_LAYERS, _MOST = 1000, 2**31 - 1
_NEEDED = {"hidden_size", "num_hidden_layers", "num_attention_heads"}


def is_plain(config: Mapping[str, Any]) -> bool:
    """Whether the checks here are all that the configuration needs, so that none needs torch.

    This is so for the model types of the presets, where nothing but sizes and flags is given.
    """
    kind = config.get("model_type")
    odd = {
        name
        for name in config.keys() - _PRESET_FIELDS - {"hidden_act", "rope_parameters"}
        if config[name] is not None
    }
    rope = config.get("rope_parameters") or {}
    return isinstance(rope, Mapping) and (
        kind in KNOWN_FIELDS
        and not odd
        and config.get("hidden_act", "gelu") in ("gelu", "silu")
        and rope.get("rope_type", "default") == "default"
        and {"hidden_size", "num_hidden_layers", "num_attention_heads"} <= config.keys()
    )


def check_configuration(config: Mapping[str, Any]) -> None:
    """Check values of any configuration, and names where the model type is one of the presets'.

    Raises InputError, which names the field.
    """
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise InputError(
            "model.config.model_type", f"{_shown(kind)} is not a name", "Give one, such as llama"
        )
    if kind in KNOWN_FIELDS:
        check_names(config, KNOWN_FIELDS[kind], "model.config", f"{kind} configuration")
    check_values(config, "model.config")
    if kind in KNOWN_FIELDS:
        check_heads(config)


def check_names(config: Mapping[str, Any], known: Collection[str], where: str, what: str) -> None:
    """Raise InputError where a field is not one of `known`, with the nearest of them."""
    for name in config:
        if name not in known and not str(name).startswith("_"):
            nearest = nearest_names(str(name), known)
            remedy = f"Did you mean {nearest[0]}?" if nearest else "Leave it out"
            raise InputError(f"{where}.{name}", f"no field of a {what}", remedy)
    for name in ("rope_parameters", "rope_scaling"):
        if isinstance(rope := config.get(name), Mapping):
            _check_rope(rope, f"{where}.{name}")


def _check_rope(rope: Mapping[str, Any], where: str) -> None:
    """Rotary settings, which some models have once for each type of layer."""
    if rope and all(isinstance(value, Mapping) for value in rope.values()):
        for kind, settings in rope.items():
            check_names(settings, ROPE_FIELDS, f"{where}.{kind}", "rotary embedding")
        return
    check_names(rope, ROPE_FIELDS, where, "rotary embedding")


def nearest_names(name: str, known: Collection[str]) -> list[str]:
    """The known fields that were probably meant, the likeliest first; it may be empty."""
    meant = [
        field
        for field, others in OTHER_NAMES.items()
        if name in (field, *others.split())
        for field in (field, *others.split())
        if field in known
    ]
    if meant:
        return sorted(meant, key=lambda field: -difflib.SequenceMatcher(None, name, field).ratio())
    return difflib.get_close_matches(name, sorted(known), 3, 0.6)


def check_values(config: Mapping[str, Any], where: str) -> None:
    """Raise InputError for a size, rate or flag that no model can have, in nested parts as well."""
    for key, value in config.items():
        name, field = str(key), f"{where}.{key}"
        if value is None and name not in _NEEDED:
            continue
        if name in _LAYERS:
            _check_size(value, field, _MOST_LAYERS)
        elif name in _SIZES:
            if not isinstance(value, list | tuple):  # some models have a size for each layer
                _check_size(value, field, _MOST)
        elif isinstance(value, Mapping):
            check_values(value, field)
        elif name in _FLAGS and not isinstance(value, bool):
            raise InputError(field, f"{_shown(value)} is not true or false", "Give one of the two")
        elif name.endswith(("dropout", "pdrop", "dropout_prob")) and not isinstance(value, bool):
            _check_number(value, field, 0.0, 1.0, "a share from 0 to below 1")
        elif name.endswith(("_eps", "_epsilon")) or name == "rope_theta":
            _check_number(value, field, 5e-324, math.inf, "a number above 0")
        elif name == "partial_rotary_factor":
            _check_number(value, field, 5e-324, 1 + 1e-9, "a share above 0, to 1")
        elif name.endswith(("initializer_range", "init_std")):
            _check_number(value, field, 0.0, math.inf, "a number that is not negative")


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of many thousand digits
        return "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _check_size(value: Any, field: str, most: int) -> None:
    if type(value) is not int or not 1 <= value <= most:
        problem = f"{_shown(value)} is not a whole number from 1 to {most:,}"
        raise InputError(field, problem, "Give one, or leave the field out")


def _check_number(value: Any, field: str, least: float, below: float, what: str) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not least <= value < below:
        raise InputError(field, f"{_shown(value)} is not {what}", "Give one, or leave it out")


def check_heads(config: Mapping[str, Any]) -> None:
    """Raise InputError where the attention's heads cannot share what they have to share.

    The configuration is complete: a class may have a width of its own for its heads.
    """
    where = "model.config"
    hidden, heads = _first(config, "hidden_size"), _first(config, "num_attention_heads")
    keys = _first(config, "num_key_value_heads")
    if heads is None or not isinstance(heads[1], int):
        return
    if (
        hidden is not None
        and isinstance(hidden[1], int)
        and config.get("head_dim") is None
        and _pure_attention(config)
    ):
        if hidden[1] % heads[1]:
            raise InputError(
                f"{where}.{heads[0]} {heads[1]}",
                f"{heads[1]} heads do not divide {hidden[0]} {hidden[1]}",
                "Give a number that does",
            )
        if config.get("model_type") in KNOWN_FIELDS:
            _check_rotary(config, hidden[1] // heads[1], where)
    if keys is not None and isinstance(keys[1], int) and heads[1] % keys[1]:
        raise InputError(
            f"{where}.{keys[0]} {keys[1]}",
            f"it does not divide {heads[0]} {heads[1]}",
            "Give a number that does",
        )


def _pure_attention(config: Mapping[str, Any]) -> bool:
    """Whether the width of a head follows from width and heads: some models have both apart."""
    apart = ("qk_rope_head_dim", "kv_channels", "d_kv", "qk_head_dim", "attention_head_size")
    return not any(name in config for name in apart)


def _check_rotary(config: Mapping[str, Any], width: int, where: str) -> None:
    rope = config.get("rope_parameters")
    rope = rope if isinstance(rope, Mapping) else {}
    default = 0.25 if config["model_type"] == "gpt_neox" else 1.0
    turned = int(width * float(rope.get("partial_rotary_factor", default)))
    if turned % 2 or not turned:
        raise InputError(
            f"{where}.hidden_size {config['hidden_size']}",
            f"its heads are {width} wide, of which the rotary embedding would turn {turned}",
            "Make this number even: a wider model, or fewer heads",
        )


def _first(config: Mapping[str, Any], field: str) -> tuple[str, Any] | None:
    """The field under the first of its names that the configuration has, with its value."""
    for name in (field, *OTHER_NAMES[field].split()):
        if config.get(name) is not None:
            return name, config[name]
    return None


def positions(config: Mapping[str, Any]) -> tuple[str, int] | None:
    """The number of positions and the name of its field, of the text part where there are parts.

    None where the configuration has no such number.
    """
    for part in ("text_config", "language_config", "llm_config"):
        if isinstance(nested := config.get(part), Mapping) and (found := positions(nested)):
            return f"{part}.{found[0]}", found[1]
    for name in _POSITIONS:
        if isinstance(value := config.get(name), int):
            return name, value
    return None


def check_positions(config: Mapping[str, Any], sequence_length: int) -> None:
    """Raise InputError where a sequence is longer than the model has positions."""
    found = positions(config)
    if found is not None and sequence_length > found[1]:
        raise InputError(
            "sequence_length",
            f"{sequence_length:,} tokens, but the model has {found[1]:,} positions",
            f"Shorten it, or take a model with a larger {found[0]}",
        )
