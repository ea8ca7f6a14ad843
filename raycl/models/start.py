"""A pretrained checkpoint as what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TensorHeader:
    """A tensor's type and shape, as the header of a safetensors file has them."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Start:
    """A pretrained checkpoint, identified by what it holds."""

    reference: str
    """As the user wrote it, for messages."""
    identifier: str
    """SHA-256 over its tensors, whatever the sharding of its files."""
    config: Mapping[str, Any]
    tensors: Mapping[str, TensorHeader]
    folder: Path
    """Where its files can be read now."""
