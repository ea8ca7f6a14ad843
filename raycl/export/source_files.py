"""Files of the model from which training began that belong to its continuation, too."""

from __future__ import annotations

from pathlib import Path

from raycl.data.tokenizer import TextTokenizer
from raycl.data.tokenizer.definition import definition_of, parse
from raycl.data.tokenizer.files import DEFINITION
from raycl.errors import InputError
from raycl.models.store import GENERATION, start_files
from raycl.storage import Storage

_TOKENIZER_FILES = ("vocab.json", "merges.txt", "vocab.txt", "tokenizer.model")
"""Older forms of a tokenizer, which converters to other formats read."""


def copy_source_files(
    storage: Storage, identifier: str | None, tokenizer: TextTokenizer, folder: Path
) -> None:
    """Copy the generation settings of the starting model into the folder.

    Where the state has that model's own tokenizer, older forms of it are copied as well.
    """
    if identifier is None:
        return
    files = start_files(storage, identifier, (GENERATION, DEFINITION, *_TOKENIZER_FILES))
    if not _is_own(files, tokenizer):
        files = {name: content for name, content in files.items() if name == GENERATION}
    for name in set(files) - {DEFINITION}:
        (folder / name).write_bytes(files[name])


def _is_own(files: dict[str, bytes], tokenizer: TextTokenizer) -> bool:
    """Whether the tokenizer among a model's files has the same vocabulary and merges."""
    try:
        text = files[DEFINITION].decode("utf-8-sig")
        model = definition_of(parse(text, "the starting model"))["model"]
    except (KeyError, UnicodeDecodeError, InputError):
        return False
    return bool(model == tokenizer.definition["model"])
