"""Hashes of the documents of a corpus, by which corpora are compared without their text.

A file begins with two counts (little-endian uint64), of training and of held-out documents. Their
hashes (uint64) follow, each kind sorted and without repetitions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from raycl.errors import InputError
from raycl.storage import Storage

HASH_BYTES = 8
_KIND = np.dtype("<u8")
Range = tuple[int, int]
"""[low, high) of hashes."""


def hash_document(text: bytes) -> bytes:
    """The hash of a document: the same in every corpus, whatever its seed."""
    return hashlib.blake2b(text, digest_size=HASH_BYTES).digest()


def hash_documents(texts: Iterable[bytes]) -> np.ndarray:
    """The hashes of several documents, as numbers."""
    return np.frombuffer(b"".join(map(hash_document, texts)), _KIND)


@dataclass(frozen=True)
class SplitHashes:
    """Sorted hashes of documents that are trained on, and of those that are held out."""

    train: np.ndarray
    held_out: np.ndarray

    def to_bytes(self) -> bytes:
        """The content of a file."""
        counts = np.array([len(self.train), len(self.held_out)], _KIND)
        return b"".join(
            part.astype(_KIND).tobytes() for part in (counts, self.train, self.held_out)
        )

    @classmethod
    def of(cls, train: np.ndarray, held_out: np.ndarray) -> SplitHashes:
        """From hashes in any order."""
        return cls(np.unique(train), np.unique(held_out))

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> SplitHashes:
        """From the content of a file, which `where` names. Raises InputError."""
        numbers = np.frombuffer(data[: len(data) // HASH_BYTES * HASH_BYTES], _KIND)
        if len(data) % HASH_BYTES or len(data) < 16 or len(numbers) != 2 + int(numbers[:2].sum()):
            remedy = "Restore the file, or remove the corpus folder and prepare it again"
            raise InputError(where, "not the hashes of a corpus' documents", remedy)
        first = int(numbers[0])
        return cls(numbers[2 : 2 + first], numbers[2 + first :])


@dataclass(frozen=True)
class HashedCorpus:
    """The hash files of a corpus, read one by one: all of them need not fit into memory."""

    storage: Storage
    files: Sequence[str]
    checksums: Sequence[str] = ()
    """SHA-256 of each file, where they are known."""

    @property
    def documents(self) -> int:
        """About how many documents there are, from the sizes of the files."""
        return sum(self.storage.size(file) // HASH_BYTES for file in self.files)

    def read(self, number: int) -> SplitHashes:
        """One file. Raises FileNotFoundError; InputError where it is damaged."""
        path = self.files[number]
        data = self.storage.read_bytes(path)
        where = self.storage.full_path(path)
        if self.checksums and hashlib.sha256(data).hexdigest() != self.checksums[number]:
            remedy = "Restore the file, or remove the corpus folder and prepare it again"
            raise InputError(where, "it does not match its checksum", remedy)
        return SplitHashes.from_bytes(data, where)

    def within(self, span: Range) -> SplitHashes:
        """The hashes in [low, high) of all files."""
        parts = [self.read(number) for number in range(len(self.files))]
        return SplitHashes.of(
            _joined([_cut(part.train, span) for part in parts]),
            _joined([_cut(part.held_out, span) for part in parts]),
        )


def _cut(hashes: np.ndarray, span: Range) -> np.ndarray:
    low = np.searchsorted(hashes, np.uint64(span[0]))
    high = len(hashes) if span[1] >= 2**64 else np.searchsorted(hashes, np.uint64(span[1]))
    return hashes[low:high].copy()


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, _KIND)
