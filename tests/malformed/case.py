"""What a malformed input is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Malformed:
    """One change that makes the workspace unusable, and what the error has to say about it."""

    name: str
    change: Callable[[Path], object]
    says: tuple[str, ...]
    """Parts of the message: the file, field or row, and where it helps a word of the problem."""
