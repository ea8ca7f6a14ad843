"""The files that describe a tokenizer, in a folder on disk or in a storage."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from raycl.errors import InputError
from raycl.storage import layout

DEFINITION = layout.TOKENIZER_DEFINITION
CONFIG = layout.TOKENIZER_CONFIG
SPECIAL_TOKENS = "special_tokens_map.json"
MODEL_CONFIGS = ("generation_config.json", "config.json")
"""Files of a model that name its tokens by id, in the order in which they are asked."""
CHAT_TEMPLATE = "chat_template.jinja"
KEPT = (SPECIAL_TOKENS, CHAT_TEMPLATE, "added_tokens.json")
"""Further files that a storage keeps as they are, for those who load an exported model."""
ALL = (DEFINITION, CONFIG, *KEPT, *MODEL_CONFIGS)

_LFS_POINTER = b"version https://git-lfs"


@dataclass(frozen=True)
class TokenizerFiles:
    """One tokenizer as it was given. Equal files are equal, so that they can be a key."""

    where: str
    """The file or folder, for messages."""
    definition: str = field(repr=False)
    """The text of tokenizer.json."""
    beside: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """Name and content of the files beside it."""

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """The content of tokenizer_config.json. Raises InputError where it is no JSON object."""
        return self._mapping(CONFIG)

    @cached_property
    def special_tokens(self) -> Mapping[str, Any]:
        """The content of special_tokens_map.json. Raises InputError where it is no JSON object."""
        return self._mapping(SPECIAL_TOKENS)

    @cached_property
    def model_configs(self) -> Mapping[str, Mapping[str, Any]]:
        """The content of `MODEL_CONFIGS`, as far as they are there, by name. Raises InputError."""
        names = [name for name in MODEL_CONFIGS if name in dict(self.beside)]
        return {name: self._mapping(name) for name in names}

    @property
    def kept(self) -> dict[str, bytes]:
        """The content of `KEPT`, as far as they are there, by name."""
        return {name: content for name, content in self.beside if name in KEPT}

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing but a tokenizer.json."""
        return not self.beside

    def _mapping(self, name: str) -> dict[str, Any]:
        data = dict(self.beside).get(name)
        return {} if data is None else _json_object(data, f"tokenizer {self.where!r}: {name}")


def gathered(definition: str, read: Callable[[str], bytes | None], where: str) -> TokenizerFiles:
    """The tokenizer in the file called `definition` and in those beside it.

    `read` gives the bytes of a file by its name, None where there is none. Raises InputError where
    the file is missing, or cannot be a tokenizer.json.
    """
    data = read(definition)
    if data is None:
        raise InputError(f"tokenizer {where!r}", f"no {definition}", "Give one with that file")
    found = {name: read(name) for name in (CONFIG, *KEPT, *MODEL_CONFIGS)}
    beside = tuple((name, content) for name, content in found.items() if content is not None)
    return TokenizerFiles(where, _text(data, f"tokenizer {where!r}"), beside)


def reader_of(folder: Path) -> Callable[[str], bytes | None]:
    """Reads the files of a local folder by name; None where there is no such file."""

    def read(name: str) -> bytes | None:
        path = folder / name
        try:
            return path.read_bytes() if path.is_file() else None
        except OSError as error:
            remedy = "Make it readable, or give another tokenizer"
            problem = f"it cannot be read ({error.strerror})"
            raise InputError(f"tokenizer {path}", problem, remedy) from error

    return read


def _text(data: bytes, where: str) -> str:
    if data.startswith(_LFS_POINTER):
        raise InputError(
            where,
            "not a tokenizer.json, but a pointer of Git LFS to one",
            "Fetch the files themselves: git lfs pull",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = "Give one that Hugging Face tokenizers can load"
        raise InputError(where, "not a tokenizer.json (it is not UTF-8)", remedy) from error


def _json_object(data: bytes, where: str) -> dict[str, Any]:
    remedy = "Restore the file from where the tokenizer came from"
    try:
        content = json.loads(_text(data, where))
    except (ValueError, RecursionError) as error:
        raise InputError(where, f"not valid JSON ({error})", remedy) from error
    if not isinstance(content, dict):
        raise InputError(where, "not a JSON object", remedy)
    return content
