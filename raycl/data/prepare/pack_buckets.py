"""The second half of a preparation: every bucket of the spool becomes a shard."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

from raycl.data import shards
from raycl.data.prepare import ray_tasks
from raycl.data.prepare.pack import pack_bucket
from raycl.data.prepare.plan import Job, Progress
from raycl.errors import InputError


@dataclass(frozen=True)
class PackedBucket:
    """What a packing task reports. A bucket that does not fill a row has no shard."""

    split: shards.SplitName
    shard: shards.Shard | None
    documents: int
    duplicates: int
    tokens: int
    bytes: int
    unused_tokens: int


def pack_buckets(job: Job, report: Progress) -> list[PackedBucket]:
    """Pack the buckets that have no shard yet, one Ray task each; all of them in order.

    Raises InputError where the spool holds no document.
    """
    parts = job.spool.parts()
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
        packed[result["bucket"]] = _parse(result["packed"])
        report("pack", len(packed), total)
    return [packed[bucket] for bucket in range(total)]


def _packed_before(job: Job, bucket: int) -> PackedBucket | None:
    path = f"{job.spool.folder}/packed-{bucket:05d}.json"
    if not job.storage.exists(path):
        return None
    found = _parse(job.storage.read_json(path))
    missing = found.shard and not job.storage.exists(f"{job.spec.folder}/{found.shard.file}")
    return None if missing else found


def _parse(value: dict[str, Any]) -> PackedBucket:
    shard = shards.Shard(**value["shard"]) if value["shard"] else None
    return PackedBucket(**{**value, "shard": shard})


def _pack_bucket(job: Job, parts: list[str], item: dict[str, Any]) -> dict[str, Any]:
    number, buckets = item["bucket"], job.spool.buckets
    split, in_split = buckets.split_of(number)
    packed = pack_bucket(
        job.spool.read_bucket(parts, number),
        job.end_of_document,
        job.spec.sequence_length,
        seed=(job.spec.seed, number),
    )
    shard = None
    if len(packed.rows):
        shard = shards.write_shard(job.storage, job.spec.folder, split, in_split, packed.rows)
    result = dataclasses.asdict(
        PackedBucket(
            split,
            shard,
            packed.documents,
            packed.duplicates,
            packed.tokens,
            packed.bytes,
            packed.unused_tokens,
        )
    )
    job.storage.write_json(f"{job.spool.folder}/packed-{number:05d}.json", result)
    return {"bucket": number, "packed": result}
