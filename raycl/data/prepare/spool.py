"""Tokenised documents between the two halves of preparation, one set of files for each unit.

A spool file begins with a table that holds offset, documents and tokens (int64) of each bucket, so
that a bucket's documents in it are one range read. A unit is done when its `.done` file exists; it
counts the text that the tokenizer could not write.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np

from raycl.data.manifest import SplitName
from raycl.data.prepare.unwritten import Unwritten
from raycl.data.tokenizer import TextTokenizer
from raycl.storage import Storage
from raycl.storage.record import read_record, write_record

SPOOL_FORMAT = 2
"""Spool files of another format are not taken up."""
PART_BYTES = 64 * 2**20
_BATCH_BYTES = 2**20
_ENCODED_AT_ONCE = 4 * 2**20
_KEY_BYTES = 16


@dataclass(frozen=True)
class Buckets:
    """Decides the bucket of a document by a hash of seed and text, so that order plays no part."""

    seed: int
    validation: Fraction
    train: int
    """Buckets of the training split."""
    held_out: int
    """Buckets of the validation split."""

    @property
    def count(self) -> int:
        """Buckets of both splits; the training split's come first."""
        return self.train + self.held_out

    def split_of(self, bucket: int) -> tuple[SplitName, int]:
        """The split that a bucket belongs to, and its number there."""
        if bucket < self.train:
            return "train", bucket
        return "validation", bucket - self.train

    def place(self, text: bytes) -> tuple[int, bytes]:
        """The bucket of a document, and the key by which it is sorted there."""
        digest = hashlib.sha256(b"%d:" % self.seed + text).digest()
        # Three independent parts of the digest: split, bucket, place within it.
        share, number = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:16], "big")
        if share * self.validation.denominator < self.validation.numerator << 64:
            return self.train + number % self.held_out, digest[16:]
        return number % self.train, digest[16:]


@dataclass(frozen=True)
class Bucket:
    """Documents of one bucket, in no particular order."""

    keys: np.ndarray  # uint8 [documents, 16]
    lengths: np.ndarray  # uint32, tokens
    text_bytes: np.ndarray  # uint32
    tokens: np.ndarray


@dataclass(frozen=True)
class _Document:
    bucket: int
    key: bytes
    text_bytes: int
    tokens: np.ndarray
    lost: int
    """Bytes of the text that the tokenizer could not write."""
    example: str


@dataclass
class _Counts:
    """The fields of `Unwritten`, while they are counted."""

    documents: int = 0
    bytes: int = 0
    of_bytes: int = 0
    example: str = ""

    def add(self, document: _Document) -> None:
        self.of_bytes += document.text_bytes
        if document.lost:
            self.documents += 1
            self.bytes += document.lost
            self.example = self.example or document.example


@dataclass(frozen=True)
class Spool:
    """The spool files of one preparation."""

    storage: Storage
    folder: str
    dtype: str
    buckets: Buckets

    def done(self) -> set[int]:
        """Numbers of the units that are complete."""
        names = self.storage.list(self.folder)
        return {int(name.removesuffix(".done")) for name in names if name.endswith(".done")}

    def unwritten(self) -> Iterator[Unwritten]:
        """What could not be written of each unit that is complete, in their order."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            yield from pool.map(self._unit_unwritten, sorted(self.done()))

    def _unit_unwritten(self, unit: int) -> Unwritten:
        return read_record(self.storage, self._done_file(unit), Unwritten)

    def _done_file(self, unit: int) -> str:
        return f"{self.folder}/{unit:06d}.done"

    def parts(self) -> list[str]:
        """Names of all spool files."""
        return [name for name in self.storage.list(self.folder) if name.endswith(".bin")]

    def write_unit(self, unit: int, texts: Iterable[str], tokenizer: TextTokenizer) -> None:
        """Tokenise the unit's documents and write them to its spool files."""
        parts = size = 0
        pending: list[_Document] = []
        counts = _Counts()
        for document in _tokenise(texts, tokenizer, self.dtype, self.buckets):
            pending.append(document)
            counts.add(document)
            size += document.text_bytes
            if size >= PART_BYTES:
                self._write_part(unit, parts, pending)
                parts, pending, size = parts + 1, [], 0
        if pending:
            self._write_part(unit, parts, pending)
        write_record(self.storage, self._done_file(unit), Unwritten(**asdict(counts)))

    def _write_part(self, unit: int, part: int, documents: list[_Document]) -> None:
        documents.sort(key=lambda document: document.bucket)
        table = np.zeros((self.buckets.count, 3), dtype="<i8")
        segments: list[bytes] = []
        offset = table.nbytes
        for bucket, group in itertools.groupby(documents, key=lambda document: document.bucket):
            members = list(group)
            tokens = sum(len(document.tokens) for document in members)
            table[bucket] = offset, len(members), tokens
            segments.append(_segment(members))
            offset += len(segments[-1])
        data = b"".join([table.tobytes(), *segments])
        self.storage.write_bytes(f"{self.folder}/{unit:06d}-{part:04d}.bin", data)

    def read_bucket(self, parts: list[str], bucket: int) -> Bucket:
        """All documents of a bucket, from the spool files named `parts`."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            segments = list(pool.map(lambda part: self._read_segment(part, bucket), parts))
        return Bucket(
            keys=np.concatenate([segment.keys for segment in segments]),
            lengths=np.concatenate([segment.lengths for segment in segments]),
            text_bytes=np.concatenate([segment.text_bytes for segment in segments]),
            tokens=np.concatenate([segment.tokens for segment in segments]),
        )

    def _read_segment(self, part: str, bucket: int) -> Bucket:
        path, kind = f"{self.folder}/{part}", np.dtype(self.dtype)
        entry = np.frombuffer(self.storage.read_range(path, bucket * 24, 24), dtype="<i8")
        offset, documents, tokens = (int(number) for number in entry)
        head = documents * (_KEY_BYTES + 8)
        size = head + tokens * kind.itemsize
        data = self.storage.read_range(path, offset, size) if documents else b""
        numbers = np.frombuffer(data, "<u4", 2 * documents, documents * _KEY_BYTES)
        keys = np.frombuffer(data, np.uint8, documents * _KEY_BYTES)
        return Bucket(
            keys=keys.reshape(documents, _KEY_BYTES),
            lengths=numbers[:documents],
            text_bytes=numbers[documents:],
            tokens=np.frombuffer(data, kind, tokens, head),
        )


def _tokenise(
    texts: Iterable[str], tokenizer: TextTokenizer, dtype: str, buckets: Buckets
) -> Iterator[_Document]:
    for batch in _batches(texts):
        pieces = [list(_cut(text)) for text in batch]
        flat = [piece for cut in pieces for piece in cut]
        encodings = tokenizer.encode_batch(flat, dtype)
        for text, cut in zip(batch, pieces, strict=True):
            encoded = [next(encodings) for _ in cut]
            ids = [piece.ids for piece in encoded]
            data = text.encode()
            bucket, key = buckets.place(data)
            yield _Document(
                bucket,
                key,
                len(data),
                ids[0] if len(ids) == 1 else np.concatenate(ids),
                sum(piece.lost for piece in encoded),
                next((piece.example for piece in encoded if piece.example), ""),
            )


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in lists of about a megabyte, which the tokenizer encodes together."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _cut(text: str) -> Iterator[str]:
    """A very long text in pieces that end at line ends, where there are any.

    The tokenizer takes some fifty times the memory of the text that it encodes at once.
    """
    begin = 0
    while len(text) - begin > _ENCODED_AT_ONCE:
        line_end = text.rfind("\n", begin, begin + _ENCODED_AT_ONCE)
        stop = line_end if line_end > begin else begin + _ENCODED_AT_ONCE
        yield text[begin:stop]
        begin = stop
    yield text[begin:]


def _segment(documents: list[_Document]) -> bytes:
    """The documents of one bucket as `_read_segment` reads them: keys, numbers, tokens."""
    lengths = [len(document.tokens) for document in documents]
    text_bytes = [document.text_bytes for document in documents]
    keys = b"".join(document.key for document in documents)
    numbers = np.array([lengths, text_bytes], dtype="<u4").tobytes()
    return b"".join([keys, numbers, *(document.tokens.tobytes() for document in documents)])
