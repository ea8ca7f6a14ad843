"""Tokenised documents between the two halves of preparation, one set of files for each unit.

A spool file begins with a table that holds offset, documents and tokens (int64) of each bucket, so
that a bucket's documents in it are one range read. A unit is done when its `.done` file exists,
whose name says how many spool files belong to it; it counts the text that the tokenizer could not
write.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction

import numpy as np

from raycl.data.document_hashes import HASH_BYTES, HashedCorpus, SplitHashes, hash_document
from raycl.data.manifest import SplitName
from raycl.data.prepare.passed_over import PassedOver
from raycl.data.prepare.unwritten import Unwritten
from raycl.data.tokenizer import TextTokenizer
from raycl.storage import Storage
from raycl.storage.record import read_record, write_record

SPOOL_FORMAT = 3
"""Spool files of another format are not taken up."""
PART_BYTES = 64 * 2**20
_BATCH_BYTES = 2**20
_ENCODED_AT_ONCE = 4 * 2**20
_KEY_BYTES = 16
_HEAD_BYTES = _KEY_BYTES + HASH_BYTES + 8
"""Of each document in a segment: its key, its hash, its numbers of tokens and of bytes."""


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

    def moved(self, bucket: int, document: int, moves: SplitHashes) -> int:
        """The bucket of a document by its hash, once corpora have agreed on the splits."""
        if bucket < self.train and _holds(moves.held_out, document):
            return self.train + document % self.held_out
        if bucket >= self.train and _holds(moves.train, document):
            return document % self.train
        return bucket


@dataclass(frozen=True)
class Bucket:
    """Documents of one bucket, in no particular order."""

    keys: np.ndarray  # uint8 [documents, 16]
    hashes: np.ndarray  # uint64, of the text alone
    lengths: np.ndarray  # uint32, tokens
    text_bytes: np.ndarray  # uint32
    tokens: np.ndarray


@dataclass(frozen=True)
class _Document:
    bucket: int
    key: bytes
    hash: bytes
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

    def done(self) -> dict[int, int]:
        """The units that are complete, and how many spool files each has."""
        names = self.storage.list(self.folder)
        done = (name.removesuffix(".done").split("-") for name in names if name.endswith(".done"))
        return {int(unit): int(parts) for unit, parts in done}

    def part(self, unit: int, part: int) -> str:
        """The path of one spool file."""
        return f"{self.folder}/{unit:06d}-{part:04d}.bin"

    def hashes(self, units: Iterable[int]) -> HashedCorpus:
        """The hashes of the documents of these units, one file a unit."""
        return HashedCorpus(self.storage, [self._hashes(unit) for unit in units])

    def _hashes(self, unit: int) -> str:
        return f"{self.folder}/{unit:06d}.hashes"

    def unwritten(self) -> Iterator[Unwritten]:
        """What could not be written of each unit that is complete, in their order."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            yield from pool.map(self._unit_unwritten, sorted(self.done().items()))

    def _unit_unwritten(self, unit_and_parts: tuple[int, int]) -> Unwritten:
        return read_record(self.storage, self._done_file(*unit_and_parts), Unwritten)

    def write_passed_over(self, unit: int, counted: PassedOver) -> None:
        """Keep what a unit passed over, if it is anything."""
        if counted != PassedOver():
            write_record(self.storage, self._passed_over_file(unit), counted)

    def passed_over(self) -> Iterator[PassedOver]:
        """What each unit that is complete passed over, in their order; not those with nothing."""
        names, done = self.storage.list(self.folder), self.done()
        found = (int(n.removesuffix(".passed")) for n in names if n.endswith(".passed"))
        for unit in sorted(done.keys() & set(found)):
            yield read_record(self.storage, self._passed_over_file(unit), PassedOver)

    def _passed_over_file(self, unit: int) -> str:
        return f"{self.folder}/{unit:06d}.passed"

    def _done_file(self, unit: int, parts: int) -> str:
        return f"{self.folder}/{unit:06d}-{parts:04d}.done"

    def write_unit(self, unit: int, texts: Iterable[str], tokenizer: TextTokenizer) -> None:
        """Tokenise the unit's documents and write them to its spool files."""
        parts = size = 0
        pending: list[_Document] = []
        counts = _Counts()
        hashes: tuple[list[bytes], list[bytes]] = [], []
        for document in _tokenise(texts, tokenizer, self.dtype, self.buckets):
            pending.append(document)
            counts.add(document)
            hashes[document.bucket >= self.buckets.train].append(document.hash)
            size += document.text_bytes
            if size >= PART_BYTES:
                self._write_part(self.part(unit, parts), pending)
                parts, pending, size = parts + 1, [], 0
        if pending:
            self._write_part(self.part(unit, parts), pending)
            parts += 1
        found = SplitHashes.of(*(np.frombuffer(b"".join(split), "<u8") for split in hashes))
        self.storage.write_bytes(self._hashes(unit), found.to_bytes())
        self.finish(unit, parts, Unwritten(**asdict(counts)))

    def finish(self, unit: int, parts: int, unwritten: Unwritten) -> None:
        """Mark a unit, of which so many spool files are written, as complete."""
        write_record(self.storage, self._done_file(unit, parts), unwritten)

    def move_part(self, source: str, target: str, moves: SplitHashes) -> None:
        """Write the spool file `source` to `target` with some documents in other buckets."""
        documents = [
            _Document(
                self.buckets.moved(bucket, int(found.hashes[index]), moves),
                found.keys[index].tobytes(),
                found.hashes[index].tobytes(),
                int(found.text_bytes[index]),
                tokens,
                lost=0,  # counted already
                example="",
            )
            for bucket in range(self.buckets.count)
            for found in [self._read_segment(source, bucket)]
            for index, tokens in enumerate(np.split(found.tokens, np.cumsum(found.lengths)[:-1]))
            if len(found.lengths)
        ]
        self._write_part(target, documents)

    def _write_part(self, path: str, documents: list[_Document]) -> None:
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
        self.storage.write_bytes(path, data)

    def read_bucket(self, parts: Sequence[str], bucket: int) -> Bucket:
        """All documents of a bucket, from the spool files at the paths `parts`."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            segments = list(pool.map(lambda part: self._read_segment(part, bucket), parts))
        return Bucket(
            keys=np.concatenate([segment.keys for segment in segments]),
            hashes=np.concatenate([segment.hashes for segment in segments]),
            lengths=np.concatenate([segment.lengths for segment in segments]),
            text_bytes=np.concatenate([segment.text_bytes for segment in segments]),
            tokens=np.concatenate([segment.tokens for segment in segments]),
        )

    def _read_segment(self, part: str, bucket: int) -> Bucket:
        kind = np.dtype(self.dtype)
        entry = np.frombuffer(self.storage.read_range(part, bucket * 24, 24), dtype="<i8")
        offset, documents, tokens = (int(number) for number in entry)
        size = documents * _HEAD_BYTES + tokens * kind.itemsize
        data = self.storage.read_range(part, offset, size) if documents else b""
        keys = np.frombuffer(data, np.uint8, documents * _KEY_BYTES)
        after_keys = documents * _KEY_BYTES
        numbers = np.frombuffer(data, "<u4", 2 * documents, after_keys + documents * HASH_BYTES)
        return Bucket(
            keys=keys.reshape(documents, _KEY_BYTES),
            hashes=np.frombuffer(data, "<u8", documents, after_keys),
            lengths=numbers[:documents],
            text_bytes=numbers[documents:],
            tokens=np.frombuffer(data, kind, tokens, documents * _HEAD_BYTES),
        )


def _holds(ordered: np.ndarray, document: int) -> bool:
    place = int(np.searchsorted(ordered, np.uint64(document)))
    return place < len(ordered) and int(ordered[place]) == document


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
                bucket=bucket,
                key=key,
                hash=hash_document(data),
                text_bytes=len(data),
                tokens=ids[0] if len(ids) == 1 else np.concatenate(ids),
                lost=sum(piece.lost for piece in encoded),
                example=next((piece.example for piece in encoded if piece.example), ""),
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
    """The documents of one bucket as `_read_segment` reads them: keys, hashes, numbers, tokens."""
    lengths = [len(document.tokens) for document in documents]
    text_bytes = [document.text_bytes for document in documents]
    keys = b"".join(document.key for document in documents)
    hashes = b"".join(document.hash for document in documents)
    numbers = np.array([lengths, text_bytes], dtype="<u4").tobytes()
    return b"".join([keys, hashes, numbers, *(document.tokens.tobytes() for document in documents)])
