"""A pretrained checkpoint to start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TensorHeader:
    """The type and shape of a tensor, as in the header of its safetensors file."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str = ""
    """Hash (hex) of its bytes; empty where only the header was read."""


@dataclass(frozen=True)
class Start:
    """A pretrained checkpoint, identified by what it holds."""

    reference: str
    """The folder, hub name or identifier, as the user wrote it."""
    identifier: str
    """SHA-256 (hex) over the names, types, shapes and bytes of its tensors."""
    config: Mapping[str, Any]
    """The content of its config.json."""
    tensors: Mapping[str, TensorHeader]
    """Every tensor by its name."""
    folder: Path | None
    """A local folder with its files; None where they are in a remote storage alone."""
    commit: str = ""
    """The commit on the hub that was read; empty for a folder."""
