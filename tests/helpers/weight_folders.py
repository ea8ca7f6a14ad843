"""Folders of models as sources of first weights."""

from __future__ import annotations

from pathlib import Path

from raycl.models.headers import read_headers
from raycl.models.weight_files import WeightFiles
from raycl.storage import Storage


def weights_in(folder: Path) -> WeightFiles:
    """The safetensors weights of a model folder."""
    names = sorted({file.name for file, _ in read_headers(folder).values()})
    return WeightFiles(Storage(folder), names)
