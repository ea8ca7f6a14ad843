"""The tensors that a model folder holds, by the headers of its safetensors files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raycl.errors import InputError
from raycl.models.quantization import check_quantization, check_trainable
from raycl.models.safetensors_file import tensor_places
from raycl.models.start import TensorHeader

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
_ADAPTER = "adapter_config.json"
_SAVE = "Load the model and save it with `save_pretrained(FOLDER)`"
_OTHERS = (
    ("adapter_model.*", "an adapter (LoRA) without the model that it changes", "Merge the two"),
    ("model-*-of-*.safetensors", f"{INDEX} is missing, so its shards are not known", _SAVE),
    ("consolidated*", "weights in Mistral's or Meta's own form", "Convert it for transformers"),
    ("*.safetensors", f"no file is called {SINGLE}", f"Call the weights {SINGLE}"),
    ("*.bin*", "no safetensors weights, only pickles, which can run code", _SAVE),
    ("*.pt*", "no safetensors weights, only pickles, which can run code", _SAVE),
    ("*.ckpt*", "no safetensors weights, only pickles, which can run code", _SAVE),
    ("*.gguf", "only GGUF weights", "Give the model's safetensors weights"),
    ("*.h5", "only TensorFlow's weights", _SAVE),
    ("*.msgpack", "only Flax' weights", _SAVE),
    ("*.onnx", "only ONNX weights", "Give the model's safetensors weights"),
)
"""Patterns of other files than those wanted: what they mean, and what to do."""


def read_headers(folder: Path) -> dict[str, tuple[Path, TensorHeader]]:
    """The file and the header of every tensor, as `from_pretrained` would read them.

    Raises InputError, which names the file, where there are no safetensors weights or they are
    damaged, incomplete or quantised.
    """
    if not folder.is_dir():
        raise InputError(str(folder), "no such folder", "Give a folder with config.json")
    files = _files(folder)
    if (folder / _ADAPTER).exists():
        problem = "an adapter (LoRA) lies beside the model, and its changes are not in the weights"
        remedy = "Merge it into the model with `merge_and_unload()`, or move its files away"
        raise InputError(str(folder / _ADAPTER), problem, remedy)
    found: dict[str, tuple[Path, TensorHeader]] = {}
    for file in files:
        tensors = {name: place.header for name, place in tensor_places(file).items()}
        if not tensors:
            raise InputError(str(file), "it holds no tensor", _SAVE)
        check_trainable(tensors, str(file))
        for name, header in tensors.items():
            if name in found:
                problem = f"tensor {name} is in {found[name][0].name} as well"
                raise InputError(str(file), problem, "Remove the file that is not of this model")
            found[name] = file, header
    for name, shard in _weight_map(folder).items() if files != [folder / SINGLE] else ():
        if name not in found or found[name][0] != folder / shard:
            problem = f"it names tensor {name}, which is not in {shard}"
            raise InputError(str(folder / INDEX), problem, "Copy or download the folder again")
    return found


def _files(folder: Path) -> list[Path]:
    """The weight files that transformers would read: one file, or the shards of the index."""
    # A dangling link counts as present: it is then reported as the file that cannot be read.
    if (one := folder / SINGLE).exists() or one.is_symlink():
        return [one]
    if (folder / INDEX).exists():
        return [folder / name for name in sorted(set(_weight_map(folder).values()))]
    for pattern, problem, remedy in _OTHERS:
        if any(folder.glob(pattern)):
            raise InputError(str(folder), problem, remedy)
    raise InputError(str(folder), "it holds no weights", f"Give a folder with {SINGLE}")


def _weight_map(folder: Path) -> Mapping[str, str]:
    """The index: the file of each tensor. Raises InputError where it is not usable."""
    where, again = str(folder / INDEX), "Copy or download the folder again"
    data = read_json(folder / INDEX)
    entries = data.get("weight_map")
    if not isinstance(entries, dict) or not entries:
        raise InputError(where, "it has no weight_map", again)
    for name, file in entries.items():
        if not isinstance(file, str) or not file or "/" in file or file in (".", ".."):
            problem = f"the file of tensor {name} is {file!r}, not a name in this folder"
            raise InputError(where, problem, again)
        if not (folder / file).exists():
            raise InputError(where, f"the shard {file} is missing", again)
    return entries


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises InputError, which names the file."""
    try:
        text = file.read_bytes()
    except OSError as error:
        problem = f"it cannot be read ({error.strerror or error})"
        raise InputError(str(file), problem, "Give a complete model folder") from error
    if text.startswith(b"version https://git-lfs"):
        raise InputError(str(file), "a pointer of Git LFS", "Run `git lfs pull` in its folder")
    try:
        # transformers has a form of its own for numbers that JSON has not, and reads both.
        data = json.loads(text, parse_constant=lambda number: {"__float__": number})
    except (ValueError, RecursionError) as error:
        raise InputError(str(file), f"not JSON ({error})", "Copy the file again") from error
    if not isinstance(data, dict):
        raise InputError(str(file), "not a JSON object", "Copy the file again")
    return data


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a model folder. Raises InputError where it is not usable."""
    file = folder / "config.json"
    if not file.exists():
        raise InputError(str(folder), "it has no config.json", "Give a complete model folder")
    config = read_json(file)
    if not isinstance(config.get("model_type"), str):
        problem = "it has no model_type"
        raise InputError(str(file), problem, "Give the config.json of a Hugging Face model")
    check_quantization(config, str(file))
    return config
