"""The bucket of each document, by a hash of seed and text, so that order plays no part."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from raycl.data.document_hashes import SplitHashes
from raycl.data.manifest import SplitName


@dataclass(frozen=True)
class Buckets:
    """Decides into which bucket a document goes; the buckets of training come first."""

    seed: int
    validation: Fraction
    train: int
    """Buckets of the training split."""
    held_out: int
    """Buckets of the validation split."""
    held_out_seed: int | None = None
    """Of the split; None: `seed`."""

    @property
    def count(self) -> int:
        """Buckets of both splits."""
        return self.train + self.held_out

    def split_of(self, bucket: int) -> tuple[SplitName, int]:
        """The split that a bucket belongs to, and its number there."""
        if bucket < self.train:
            return "train", bucket
        return "validation", bucket - self.train

    def places(self, texts: Iterable[bytes]) -> tuple[np.ndarray, np.ndarray]:
        """The bucket of each document (int64), and the keys (uint8 [documents, 16]) to sort by."""
        texts = list(texts)
        parts = splits = _digests(self.seed, texts)
        if self.held_out_seed is not None and self.held_out_seed != self.seed:
            splits = _digests(self.held_out_seed, texts)
        # Three independent parts of the digest: split, bucket, place within it.
        share, number = _numbers(splits[:, :8]), _numbers(parts[:, 8:16])
        train, held_out = np.uint64(self.train), np.uint64(self.held_out)
        chosen = np.where(self._is_held_out(share), train + number % held_out, number % train)
        return chosen.astype(np.int64), parts[:, 16:]

    def _is_held_out(self, share: np.ndarray) -> np.ndarray:
        """Whether share / 2^64 < validation, exactly."""
        least = -((-self.validation.numerator << 64) // self.validation.denominator)
        return share < np.uint64(least) if least < 2**64 else np.ones(len(share), bool)

    def moved(self, buckets: np.ndarray, documents: np.ndarray, moves: SplitHashes) -> np.ndarray:
        """The buckets of documents by their hashes, once corpora have agreed on the splits."""
        trained, held = np.uint64(self.train), np.uint64(self.held_out)
        out = (buckets < self.train) & np.isin(documents, moves.held_out)
        back = (buckets >= self.train) & np.isin(documents, moves.train)
        changed = buckets.copy()
        changed[out] = trained + documents[out] % held
        changed[back] = documents[back] % trained
        return changed


def _digests(seed: int, texts: Iterable[bytes]) -> np.ndarray:
    """SHA-256 of the seed and each text: uint8 [texts, 32]."""
    seeded = hashlib.sha256(b"%d:" % seed)
    digests: list[bytes] = []
    for text in texts:
        digest = seeded.copy()
        digest.update(text)
        digests.append(digest.digest())
    return np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)


def _numbers(parts: np.ndarray) -> np.ndarray:
    """Eight bytes a line as one number: uint64 [lines]."""
    return np.ascontiguousarray(parts).view(">u8").astype(np.uint64)[:, 0]
