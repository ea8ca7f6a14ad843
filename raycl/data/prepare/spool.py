"""Tokenised documents between the two halves of preparation, one set of files for each unit.

A spool file begins with a table that holds offset, documents and tokens (int64) of each bucket, so
that a bucket's documents in it are one range read. A unit is done when its `.done` file exists,
whose name says how many spool files belong to it; it counts the text that the tokenizer could not
write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from raycl.data.document_hashes import HASH_BYTES, HashedCorpus, SplitHashes
from raycl.data.prepare.buckets import Buckets
from raycl.data.prepare.columns import KEY_BYTES, Documents
from raycl.data.prepare.encode import EncodedBatch, encode_documents
from raycl.data.prepare.passed_over import PassedOver
from raycl.data.prepare.unwritten import Unwritten, total
from raycl.data.tokenizer import TextTokenizer
from raycl.storage import Storage
from raycl.storage.record import read_record, write_record

SPOOL_FORMAT = 3
"""Spool files of another format are not taken up."""
PART_BYTES = 64 * 2**20
_HEAD_BYTES = KEY_BYTES + HASH_BYTES + 8
"""Of each document in a segment: its key, its hash, its numbers of tokens and of bytes."""


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

    def token_facts(self, unit: int) -> str:
        """The path of what was found in a unit whose documents were tokens already."""
        return f"{self.folder}/{unit:06d}.tokens"

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
        self.write_batches(unit, encode_documents(texts, tokenizer, self.dtype, self.buckets))

    def write_batches(self, unit: int, batches: Iterable[EncodedBatch]) -> None:
        """Write the unit's documents to its spool files, and mark it as complete."""
        parts = 0
        counted: list[Unwritten] = []
        hashes: tuple[list[np.ndarray], list[np.ndarray]] = [], []
        for parts, part in enumerate(_parts(batches), start=1):
            documents = Documents.joined([batch.documents for batch in part])
            buckets = np.concatenate([batch.buckets for batch in part])
            counted.append(total(batch.unwritten for batch in part))
            held_out = buckets >= self.buckets.train
            hashes[0].append(documents.hashes[~held_out])
            hashes[1].append(documents.hashes[held_out])
            self._write_part(self.part(unit, parts - 1), buckets, documents)
        none = np.empty(0, "<u8")
        found = SplitHashes.of(*(np.concatenate([none, *split]) for split in hashes))
        self.storage.write_bytes(self._hashes(unit), found.to_bytes())
        self.finish(unit, parts, total(counted))

    def finish(self, unit: int, parts: int, unwritten: Unwritten) -> None:
        """Mark a unit, of which so many spool files are written, as complete."""
        write_record(self.storage, self._done_file(unit, parts), unwritten)

    def move_part(self, source: str, target: str, moves: SplitHashes) -> None:
        """Write the spool file `source` to `target` with some documents in other buckets."""
        segments = [self._read_segment(source, n) for n in range(self.buckets.count)]
        documents = Documents.joined(segments)
        buckets = np.repeat(
            np.arange(self.buckets.count), [len(segment.lengths) for segment in segments]
        )
        moved = self.buckets.moved(buckets, documents.hashes, moves)
        self._write_part(target, moved, documents)

    def _write_part(self, path: str, buckets: np.ndarray, documents: Documents) -> None:
        order = np.argsort(buckets, kind="stable")
        ordered, buckets = documents.take(order), buckets[order]
        table = np.zeros((self.buckets.count, 3), dtype="<i8")
        segments: list[bytes | memoryview] = []
        offset, first_token = table.nbytes, 0
        present, firsts = np.unique(buckets, return_index=True)
        for bucket, first, stop in zip(present, firsts, [*firsts[1:], len(buckets)], strict=True):
            tokens = int(ordered.lengths[first:stop].sum(dtype=np.int64))
            table[bucket] = offset, stop - first, tokens
            segments += _segment(ordered, slice(first, stop))
            segments.append(ordered.tokens[first_token : first_token + tokens].data)
            first_token += tokens
            offset += (int(stop) - int(first)) * _HEAD_BYTES + tokens * ordered.tokens.itemsize
        self.storage.write_bytes(path, b"".join([table.tobytes(), *segments]))

    def read_bucket(self, parts: Sequence[str], bucket: int) -> Documents:
        """All documents of a bucket, from the spool files at the paths `parts`."""
        with ThreadPoolExecutor(max_workers=8) as pool:
            segments = list(pool.map(lambda part: self._read_segment(part, bucket), parts))
        return Documents.joined(segments)

    def _read_segment(self, part: str, bucket: int) -> Documents:
        kind = np.dtype(self.dtype)
        entry = np.frombuffer(self.storage.read_range(part, bucket * 24, 24), dtype="<i8")
        offset, documents, tokens = (int(number) for number in entry)
        size = documents * _HEAD_BYTES + tokens * kind.itemsize
        data = self.storage.read_range(part, offset, size) if documents else b""
        keys = np.frombuffer(data, np.uint8, documents * KEY_BYTES)
        after_keys = documents * KEY_BYTES
        numbers = np.frombuffer(data, "<u4", 2 * documents, after_keys + documents * HASH_BYTES)
        return Documents(
            keys=keys.reshape(documents, KEY_BYTES),
            hashes=np.frombuffer(data, "<u8", documents, after_keys),
            lengths=numbers[:documents],
            text_bytes=numbers[documents:],
            tokens=np.frombuffer(data, kind, tokens, documents * _HEAD_BYTES),
        )


def _parts(batches: Iterable[EncodedBatch]) -> Iterator[list[EncodedBatch]]:
    """The batches of one spool file after another."""
    part: list[EncodedBatch] = []
    size = 0
    for batch in batches:
        part.append(batch)
        size += batch.unwritten.of_bytes
        if size >= PART_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _segment(documents: Documents, some: slice) -> list[bytes]:
    """What comes before the tokens of a bucket, as `_read_segment` reads it."""
    numbers = (documents.lengths, documents.text_bytes)
    return [
        documents.keys[some].tobytes(),
        documents.hashes[some].astype("<u8").tobytes(),
        *(column[some].astype("<u4").tobytes() for column in numbers),
    ]
