"""What of a recipe others may see: the places of files on its author's machines are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def without_places(data: Any) -> Any:
    """The data with the last part alone of every absolute path, home folder and URL."""
    if isinstance(data, Mapping):
        return {name: without_places(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_places(value) for value in data]
    return last_part(data) if isinstance(data, str) and is_place(data) else data


def is_place(text: str) -> bool:
    """Whether a text says where a file lies: an absolute path, one of a home folder, or a URL."""
    return text.startswith(("/", "~", "../")) or "://" in text


def last_part(text: str) -> str:
    """`./data.jsonl` of `/home/somebody/data.jsonl`."""
    return f"./{text.rstrip('/').rpartition('/')[2]}"
