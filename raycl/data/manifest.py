"""manifest.json, what a prepared corpus holds: written last, so that without it there is none."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pydantic

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import Record, read_record, record_bytes, write_record

SplitName = Literal["train", "validation"]
SPLITS: tuple[SplitName, ...] = ("train", "validation")
PREPARE_AGAIN = "Remove the corpus folder and prepare it again, or restore it from a copy"
_STRICT = pydantic.ConfigDict(extra="forbid", strict=True)
_FINGERPRINT = re.compile(r"[A-Za-z0-9_-]+")  # it becomes part of a path


@dataclass(frozen=True)
class Shard:
    """One file of rows; `file` is relative to the corpus folder."""

    __pydantic_config__: ClassVar[pydantic.ConfigDict] = _STRICT
    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Split:
    """All shards of one split, in reading order; tokens count each document's end."""

    __pydantic_config__: ClassVar[pydantic.ConfigDict] = _STRICT
    shards: tuple[Shard, ...]
    rows: int
    documents: int
    tokens: int
    bytes: int


class Manifest(Record):
    """The facts of a prepared corpus. `fingerprint` covers its content, not its name or origin.

    Format 1 has the place, size and time of each input file, format 2 its SHA-256 and the hashes of
    documents too.
    """

    FORMAT: ClassVar[int] = 2
    WHAT: ClassVar[str] = "the manifest of a corpus"
    REMEDY: ClassVar[str] = PREPARE_AGAIN

    name: str
    tokenizer: str
    """The fingerprint of the tokenizer that it was prepared with."""
    vocabulary: int
    dtype: Literal["uint16", "uint32"]
    row_length: int
    """Tokens in a row: one more than a model's sequence length."""
    seed: int
    source: dict[str, Any]
    """The files and settings that it was made from; empty for shards from elsewhere."""
    train: Split
    validation: Split
    fingerprint: str

    def split(self, name: SplitName) -> Split:
        """The split called `name`."""
        return self.train if name == "train" else self.validation


def content_fingerprint(manifest: Manifest) -> str:
    """SHA-256 over everything that determines which tokens a read of given rows returns."""
    splits = [
        [[shard.sha256, shard.rows] for shard in manifest.split(name).shards] for name in SPLITS
    ]
    content = [manifest.tokenizer, manifest.row_length, manifest.dtype, *splits]
    return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()


def fingerprinted(manifest: Manifest, **changes: Any) -> Manifest:
    """The manifest with `changes` to its fields, and with the fingerprint of its new content."""
    changed = manifest.model_copy(update=changes)
    return changed.model_copy(update={"fingerprint": content_fingerprint(changed)})


def has_manifest(storage: Storage, folder: str) -> bool:
    """Whether there is a prepared corpus in `folder`; one request."""
    return storage.exists(layout.manifest(folder))


def load_manifest(storage: Storage, folder: str) -> Manifest:
    """The manifest of the corpus in `folder`, checked field by field.

    Raises InputError where there is none, it is damaged, or it is that of another corpus.
    """
    path = layout.manifest(folder)
    where = storage.full_path(path)
    try:
        manifest = read_record(storage, path, Manifest)
    except FileNotFoundError as error:
        raise InputError(where, "there is no prepared corpus", "Run `raycl prepare`") from error
    if manifest.name != folder.rpartition("/")[2]:
        raise InputError(
            where,
            f"it is the manifest of the corpus {manifest.name!r}",
            "The folder was renamed, copied or exchanged: give it back its name, or remove it and "
            "prepare the text under the new name",
        )
    for name in SPLITS:
        split = manifest.split(name)
        if split.rows != sum(shard.rows for shard in split.shards):
            raise InputError(where, f"{name}.rows: not the sum over its shards", PREPARE_AGAIN)
    if not _FINGERPRINT.fullmatch(manifest.tokenizer):
        problem = f"tokenizer: {manifest.tokenizer!r} is not a fingerprint"
        raise InputError(where, problem, PREPARE_AGAIN)
    if manifest.fingerprint != content_fingerprint(manifest):
        raise InputError(where, "fingerprint: does not match the shards listed", PREPARE_AGAIN)
    return manifest


def write_manifest(storage: Storage, folder: str, manifest: Manifest) -> None:
    """Write the manifest; from here on the corpus exists."""
    write_record(storage, layout.manifest(folder), manifest)


def create_manifest(storage: Storage, folder: str, manifest: Manifest) -> bool:
    """Write the manifest unless there is one: what is committed is never replaced.

    Whether it was written. Without conditional writes (gs://) only a look decides.
    """
    if storage.has_conditional_writes:
        return storage.create(layout.manifest(folder), record_bytes(manifest)) is not None
    if has_manifest(storage, folder):
        return False
    write_manifest(storage, folder, manifest)
    return True
