"""The second half of a preparation: every bucket of the spool becomes a shard."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any, ClassVar

import numpy as np

from raycl.data import shards
from raycl.data.document_hashes import SplitHashes
from raycl.data.manifest import Shard, SplitName
from raycl.data.prepare import ray_tasks
from raycl.data.prepare.move import needs_spool
from raycl.data.prepare.pack import pack_bucket
from raycl.data.prepare.plan import Job, Progress
from raycl.errors import InputError
from raycl.storage import layout
from raycl.storage.record import Part, Record, find_record, write_record


class StoredHashes(Part):
    """A file of the hashes of a bucket's documents."""

    file: str
    """Relative to the folder of the corpus."""
    sha256: str


class PackedBucket(Record):
    """What a packing task reports. A bucket that does not fill a row has no shard."""

    WHAT: ClassVar[str] = "the record of a packed bucket"
    REMEDY: ClassVar[str] = "Remove the file: the bucket is then packed again"

    split: SplitName
    shard: Shard | None
    documents: int
    duplicates: int
    tokens: int
    bytes: int
    unused_tokens: int
    hashes: StoredHashes


def pack_buckets(job: Job, parts: list[str], report: Progress) -> list[PackedBucket]:
    """Pack the buckets that have no shard yet, one Ray task each; all of them in order.

    `parts` are the spool files that hold the documents.

    Raises InputError where the spool holds no document.
    """
    if not parts:
        raise InputError(
            f"corpus {job.spec.name!r}", "its files hold no text", "Give files with documents"
        )
    packed: dict[int, PackedBucket] = {}
    for bucket in range(job.spool.buckets.count):
        found = _packed_before(job, bucket)
        if found is not None:
            packed[bucket] = found
    total = job.spool.buckets.count
    report("pack", len(packed), total)
    missing = [{"bucket": bucket} for bucket in range(total) if bucket not in packed]
    for result in ray_tasks.run_tasks(partial(_pack_bucket, job, parts), missing):
        packed[result["bucket"]] = PackedBucket.model_validate_json(result["packed"])
        report("pack", len(packed), total)
    return [packed[bucket] for bucket in range(total)]


def _packed_before(job: Job, bucket: int) -> PackedBucket | None:
    path = layout.packed_bucket(job.spool.folder, bucket)
    found = find_record(job.storage, path, PackedBucket)
    if found is None:
        return None
    files = [found.hashes.file, *([found.shard.file] if found.shard else [])]
    return found if all(job.storage.exists(f"{job.spec.folder}/{file}") for file in files) else None


def _pack_bucket(job: Job, parts: list[str], item: dict[str, Any]) -> dict[str, Any]:
    number, buckets = item["bucket"], job.spool.buckets
    split, in_split = buckets.split_of(number)
    with needs_spool(job):
        bucket = job.spool.read_bucket(parts, number)
    packed = pack_bucket(
        bucket,
        job.end_of_document,
        job.spec.sequence_length,
        seed=(job.spec.seed, number),
        begin_of_document=job.begin_of_document,
    )
    shard = None
    if len(packed.rows):
        shard = shards.write_shard(
            job.storage, job.spec.folder, split, in_split, packed.rows, job.key
        )
    record = PackedBucket(
        split=split,
        shard=shard,
        documents=packed.documents,
        duplicates=packed.duplicates,
        tokens=packed.tokens,
        bytes=packed.bytes,
        unused_tokens=packed.unused_tokens,
        hashes=_store_hashes(job, number, split, bucket.hashes),
    )
    write_record(job.storage, layout.packed_bucket(job.spool.folder, number), record)
    return {"bucket": number, "packed": record.model_dump_json()}


def _store_hashes(job: Job, number: int, split: SplitName, hashes: np.ndarray) -> StoredHashes:
    none = hashes[:0]
    found = SplitHashes.of(hashes, none) if split == "train" else SplitHashes.of(none, hashes)
    folder, data = job.spec.folder, found.to_bytes()
    path = layout.document_hashes(folder, job.key, number)
    job.storage.write_bytes(path, data)
    return StoredHashes(
        file=path.removeprefix(f"{folder}/"), sha256=hashlib.sha256(data).hexdigest()
    )
