"""The classes of transformers that a configuration names, checked before anything is built."""

from __future__ import annotations

import copy
import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

from raycl.errors import InputError
from raycl.models.configuration import check_names
from raycl.models.hub import is_hub_name

_REMEDY = "Give the configuration of a causal language model"
_FOLDER = "Give a folder or hub name with config.json and safetensors weights"
_FLOAT = "__float__"


def hugging_face_config(config: Mapping[str, Any]) -> transformers.PretrainedConfig:
    """The object for a complete configuration. Raises InputError where transformers refuses it."""
    # transformers changes nested parts in place, so these are copies.
    fields = {key: _with_infinity(value) for key, value in copy.deepcopy(dict(config)).items()}
    name = fields.pop("model_type", None)
    check_type(config)
    try:
        return transformers.AutoConfig.for_model(name, **fields)
    except Exception as error:  # transformers' strict configs raise types of their own
        raise InputError("model.config", _sentence(error), _REMEDY) from error


def earlier_configuration(source: str) -> transformers.PretrainedConfig:
    """The configuration of a state whose mark holds a folder or hub name in its place.

    Raises InputError where the folder is gone.
    """
    where = f"model.pretrained {source!r}"
    if not Path(source).is_dir() and not is_hub_name(source):
        raise InputError(
            where,
            "an earlier raycl stored the state without its model's configuration, and this folder "
            "is not here",
            "Run the command from the folder where the sweep was run, or put the model back",
        )
    try:
        config: transformers.PretrainedConfig = transformers.AutoConfig.from_pretrained(
            source, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        line = str(error).strip().split("\n")[0]
        raise InputError(where, line, _FOLDER) from error
    return config


def _with_infinity(value: Any) -> Any:
    """A value of config.json with the numbers that JSON has no form for.

    transformers writes them as `{"__float__": "Infinity"}`, and the records of a storage keep that.
    """
    if isinstance(value, dict):
        if value.keys() == {_FLOAT} and value[_FLOAT] in ("Infinity", "-Infinity", "NaN"):
            return float(value[_FLOAT])
        return {key: _with_infinity(inner) for key, inner in value.items()}
    return [_with_infinity(inner) for inner in value] if isinstance(value, list) else value


def check_type(config: Mapping[str, Any]) -> None:
    """Raise InputError where transformers knows no such model type."""
    name = config.get("model_type")
    if name not in CONFIG_MAPPING:
        raise _unknown_type(name, "auto_map" in config)


def _sentence(error: Exception) -> str:
    """The reason in an error of a strict configuration, which stands on its second line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[1].partition(": ")[2] or lines[1] if len(lines) > 1 else lines[0]


def _unknown_type(name: Any, remote: bool) -> InputError:
    near = difflib.get_close_matches(str(name), list(CONFIG_MAPPING.keys()), 3, 0.75)
    version = transformers.__version__
    if remote:
        problem = "the model brings code of its own, which raycl does not run"
        return InputError(f"model_type {name!r}", problem, "Give a model that transformers knows")
    remedy = f"Did you mean {', '.join(near)}?" if near else _REMEDY
    return InputError(f"model_type {name!r}", f"transformers {version} knows no such type", remedy)


def check_class(config: transformers.PretrainedConfig) -> None:
    """Raise InputError where the model type has no causal language model that reads text alone."""
    where = f"model_type {config.model_type!r}"
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(where, "an encoder–decoder model, not a causal language model", _REMEDY)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise InputError(where, "transformers has no causal language model of it", _REMEDY)


def check_fields(config: Mapping[str, Any]) -> None:
    """Raise InputError for a field that the class of the configuration does not know.

    Classes understand some old names, which they replace. What a class does not understand, it
    keeps as an attribute that nothing reads.
    """
    _check_part(config, hugging_face_config(config), "model.config")


def _check_part(given: Mapping[str, Any], made: Any, where: str) -> None:
    fields = {field.name for field in dataclasses.fields(made)} | set(made.attribute_map)
    # Other names than these were kept only because somebody gave them.
    understood = {name for name in given if name not in vars(made)}
    known = fields | understood | {"model_type", "auto_map", "num_labels"}
    what = f"{made.model_type or type(made).__name__} configuration"
    check_names(given, known, where, what)
    for name, part in given.items():
        nested = getattr(made, name, None)
        if isinstance(part, Mapping) and isinstance(nested, transformers.PretrainedConfig):
            _check_part(part, nested, f"{where}.{name}")
