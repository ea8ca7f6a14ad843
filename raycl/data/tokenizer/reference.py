"""A tokenizer by its reference: a folder or a file, a path in storage, or a name of the hub."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

from raycl.data.tokenizer.files import ALL, DEFINITION, TokenizerFiles, gathered, reader_of
from raycl.data.tokenizer.policy import NO_CHOICE, Choice
from raycl.data.tokenizer.store import read_tokenizer, stored_fingerprint
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, make_tokenizer
from raycl.errors import InputError
from raycl.libraries import how_to_install
from raycl.storage import Storage

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?(@[\w./-]+)?")
_CONVERTIBLE = (
    ("tokenizer.model",),
    ("spiece.model",),
    ("sentencepiece.bpe.model",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("tekken.json",),
)
"""Files of older tokenizers, of which transformers can make a tokenizer.json."""
_SHOWN = 6


class NotThereError(InputError):
    """A path that is not there, or a name of the hub that cannot be reached or does not exist."""


def load_tokenizer(
    storage: Storage | None, reference: str, choice: Choice = NO_CHOICE
) -> TextTokenizer:
    """The tokenizer that a recipe names, relative to the folder in which the command runs.

    Raises InputError where there is none, or it cannot be used.
    """
    fingerprint = stored_fingerprint(storage, reference) if storage is not None else None
    if storage is not None and fingerprint is not None:
        return read_tokenizer(storage, fingerprint)
    path = Path(reference).expanduser()
    if path.exists():
        return make_tokenizer(_local(path, reference), choice)
    return make_tokenizer(_from_hub(reference, cached=False), choice)


def known_tokenizer(reference: str, choice: Choice = NO_CHOICE) -> TextTokenizer | None:
    """The same without a network; None where it is not on this machine."""
    path = Path(reference).expanduser()
    try:
        files = _local(path, reference) if path.exists() else _from_hub(reference, cached=True)
    except NotThereError:
        return None
    return make_tokenizer(files, choice)


def tokenizer_in(folder: Path, reference: str) -> TokenizerFiles | None:
    """The tokenizer in a model's folder; None where the folder has none. Raises InputError."""
    older = (all((folder / name).is_file() for name in names) for names in _CONVERTIBLE)
    return _local(folder, reference) if (folder / DEFINITION).is_file() or any(older) else None


def is_hub_name(reference: str) -> bool:
    """Whether a reference that is no file here can be a name of the hub."""
    named = _HUB_NAME.fullmatch(reference) is not None
    return named and not reference.startswith(".") and ".." not in reference


def no_such_path(reference: str) -> NotThereError:
    """The error about a path that is not there."""
    problem = f"there is no file or folder {Path(reference).expanduser().absolute()}"
    return NotThereError(f"tokenizer {reference!r}", problem, "Correct the path")


def _local(path: Path, reference: str) -> TokenizerFiles:
    if path.is_file():
        read = reader_of(path.parent)
        return gathered(path.name, read, reference)
    if (path / DEFINITION).is_file():
        return gathered(DEFINITION, reader_of(path), reference)
    if any(all((path / name).is_file() for name in names) for names in _CONVERTIBLE):
        return _converted(path, reference)
    there = sorted(entry.name for entry in path.iterdir())
    shown = ", ".join(there[:_SHOWN]) + (", …" if len(there) > _SHOWN else "")
    raise InputError(
        f"tokenizer {reference!r}",
        f"the folder {path.resolve()} has no tokenizer: there is no {DEFINITION} in it "
        f"({shown or 'it is empty'})",
        "Copy the files of its tokenizer there (tokenizer.save_pretrained), or give their folder",
    )


def _converted(path: Path, reference: str) -> TokenizerFiles:
    """An older tokenizer as the tokenizer.json that transformers makes of it."""
    from transformers import AutoTokenizer

    try:
        with _quiet():
            backend = AutoTokenizer.from_pretrained(str(path), local_files_only=True)
        definition = backend.backend_tokenizer.to_str()
    except Exception as error:  # transformers raises many kinds, of missing packages as well
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"tokenizer {reference!r}",
            f"the folder {path.resolve()} has no {DEFINITION}, and none can be made of its older "
            f"files ({first_line[:200]})",
            f"Install what is missing ({how_to_install('sentencepiece', 'tiktoken')}), or make one "
            "elsewhere: AutoTokenizer.from_pretrained(…).save_pretrained(…)",
        ) from error
    read = reader_of(path)
    return gathered(
        DEFINITION, lambda n: definition.encode() if n == DEFINITION else read(n), reference
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that libraries print about files that raycl checks itself."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _from_hub(reference: str, cached: bool) -> TokenizerFiles:
    problem = "it is neither in storage, nor a local file, nor a model that the hub gives"
    if not is_hub_name(reference):
        raise no_such_path(reference)
    from huggingface_hub import snapshot_download

    name, _, revision = reference.partition("@")
    wanted = [*ALL, *(file for files in _CONVERTIBLE for file in files)]
    try:
        folder = snapshot_download(
            name, revision=revision or None, allow_patterns=wanted, local_files_only=cached
        )
    except Exception as error:  # the hub client raises many kinds
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise NotThereError(
            f"tokenizer {reference!r}", f"{problem} ({first_line})", "Correct the name"
        ) from error
    return _local(Path(folder), reference)
