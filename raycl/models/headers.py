"""Which file of a model's folder holds each tensor, by the headers of the files alone."""

from __future__ import annotations

import json
from pathlib import Path

from raycl.errors import InputError
from raycl.models.safetensors_file import REMEDY, tensor_places
from raycl.models.start import TensorHeader

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"


def read_headers(folder: Path) -> dict[str, tuple[Path, TensorHeader]]:
    """Every tensor of the model in `folder`: its file and its header.

    Raises InputError where the folder has no weights in safetensors, or a file is damaged.
    """
    found: dict[str, tuple[Path, TensorHeader]] = {}
    for file in _files(folder):
        for name, place in tensor_places(file).items():
            found[name] = (file, place.header)
    return found


def _files(folder: Path) -> list[Path]:
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    index = folder / INDEX
    if not index.is_file():
        raise InputError(
            str(folder),
            "there are no weights in the form of safetensors",
            "Save the model with transformers' `save_pretrained`; pickles such as "
            "pytorch_model.bin are not read",
        )
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(str(index), "not an index of safetensors files", REMEDY) from error
    for name in sorted(names):
        if not isinstance(name, str) or Path(name).name != name or not (folder / name).is_file():
            raise InputError(str(index), f"it names {name!r}, which is not there", REMEDY)
    return [folder / name for name in sorted(names)]
