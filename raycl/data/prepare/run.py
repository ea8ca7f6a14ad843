"""Prepare a corpus: tokenise units into a spool, then pack each bucket of it into a shard.

Both halves skip what is already complete, so running again continues where a run ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any, ClassVar

from tokenizers import Tokenizer

from raycl.data import shards
from raycl.data.manifest import (
    SPLITS,
    Manifest,
    Shard,
    Split,
    SplitName,
    fingerprinted,
    write_manifest,
)
from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import UNIT_BYTES, InputFile, Unit, find_files, plan_units
from raycl.data.prepare.pack import pack_bucket
from raycl.data.prepare.spec import CorpusSpec, prepared, record_of
from raycl.data.prepare.spool import Buckets, Spool
from raycl.data.prepare.tasks import run_tasks
from raycl.data.prepare.tokenizer import (
    end_of_document,
    load_tokenizer,
    store_tokenizer,
    vocabulary_size,
)
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import Record, find_record, write_record

Progress = Callable[[str, int, int], None]
# Only for the number of shards, which has to be known before anything is tokenised.
_TYPICAL_BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class _Job:
    """What every task needs to know; it travels with each of them, so it is small."""

    storage: Storage
    spec: CorpusSpec
    spool: Spool
    tokenizer: str
    end_of_document: int


@dataclass(frozen=True)
class _Plan:
    """What the driver alone needs to know."""

    job: _Job
    vocabulary: int
    files: list[InputFile]
    units: list[Unit]


class _PackedBucket(Record):
    """What a packing task reports; a bucket too small for a row has no shard."""

    WHAT: ClassVar[str] = "the record of a packed bucket"
    REMEDY: ClassVar[str] = "Remove the file: the bucket is then packed again"

    split: SplitName
    shard: Shard | None
    documents: int
    duplicates: int
    tokens: int
    bytes: int
    unused_tokens: int


def prepare_corpus(
    storage: Storage,
    spec: CorpusSpec,
    tokenizer_reference: str,
    progress: Progress | None = None,
    unit_bytes: int = UNIT_BYTES,
) -> Manifest:
    """Tokenise, shuffle and pack the corpus, unless it is there already. Needs a running Ray.

    `progress(phase, done, total)` hears of every finished task. `unit_bytes` is how much text one
    task reads; the result does not depend on it.
    """
    tokenizer = load_tokenizer(storage, tokenizer_reference)
    fingerprint = store_tokenizer(storage, tokenizer)
    finished = prepared(storage, spec, fingerprint)
    if finished is None:
        plan = _plan(storage, spec, tokenizer, fingerprint, unit_bytes)
        report = progress or (lambda *_: None)
        _remove_leftovers(plan.job)
        _tokenise(plan, report)
        finished = _manifest(plan, _pack(plan.job, report))
        write_manifest(storage, spec.folder, finished)
    storage.remove_folder(layout.spools(spec.folder))
    return finished


def _plan(
    storage: Storage, spec: CorpusSpec, tokenizer: Tokenizer, fingerprint: str, unit_bytes: int
) -> _Plan:
    files = find_files(spec.source)
    units, text_bytes = plan_units(spec.source, files, unit_bytes)
    vocabulary = vocabulary_size(tokenizer)
    share = Fraction(spec.validation)

    def buckets(part: Fraction) -> int:
        return max(1, round(part * text_bytes / _TYPICAL_BYTES_PER_TOKEN / spec.shard_tokens))

    # Other input or settings spool to another folder, so that nothing of them is taken up.
    settings = [record_of(spec, files), fingerprint, unit_bytes]
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    spool = Spool(
        storage=storage,
        folder=layout.spool(spec.folder, key),
        dtype="uint16" if vocabulary <= 2**16 else "uint32",
        buckets=Buckets(spec.seed, share, train=buckets(1 - share), held_out=buckets(share)),
    )
    job = _Job(storage, spec, spool, fingerprint, end_of_document(tokenizer))
    return _Plan(job, vocabulary, files, units)


def _remove_leftovers(job: _Job) -> None:
    """Remove what an unfinished preparation from other input or settings has left."""
    if not job.storage.exists(job.spool.folder):
        job.storage.remove_folder(layout.spools(job.spec.folder))
        for split in SPLITS:
            job.storage.remove_folder(f"{job.spec.folder}/{split}")


def _tokenise(plan: _Plan, report: Progress) -> None:
    done = plan.job.spool.done()
    missing = [
        {"unit": number, "pieces": pickle.dumps(unit)}
        for number, unit in enumerate(plan.units)
        if number not in done
    ]
    report("tokenise", len(done), len(plan.units))
    results = run_tasks(partial(_spool_unit, plan.job), missing)
    for count, _ in enumerate(results, start=len(done) + 1):
        report("tokenise", count, len(plan.units))


def _spool_unit(job: _Job, item: dict[str, Any]) -> dict[str, Any]:
    # Ray runs one task a CPU; threads within them would only get in each other's way.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = _tokenizer(job.storage, layout.tokenizer(job.tokenizer))
    texts = read_documents(job.spec.source, pickle.loads(item["pieces"]))
    job.spool.write_unit(item["unit"], texts, tokenizer)
    return {}


@lru_cache(maxsize=2)
def _tokenizer(storage: Storage, path: str) -> Tokenizer:
    return load_tokenizer(storage, path)


def _pack(job: _Job, report: Progress) -> list[_PackedBucket]:
    parts = job.spool.parts()
    if not parts:
        raise InputError(
            f"corpus {job.spec.name!r}", "its files hold no text", "Give files with documents"
        )
    packed: dict[int, _PackedBucket] = {}
    for bucket in range(job.spool.buckets.count):
        found = _packed_before(job, bucket)
        if found is not None:
            packed[bucket] = found
    total = job.spool.buckets.count
    report("pack", len(packed), total)
    missing = [{"bucket": bucket} for bucket in range(total) if bucket not in packed]
    for result in run_tasks(partial(_pack_bucket, job, parts), missing):
        packed[result["bucket"]] = _PackedBucket.model_validate_json(result["packed"])
        report("pack", len(packed), total)
    return [packed[bucket] for bucket in range(total)]


def _packed_before(job: _Job, bucket: int) -> _PackedBucket | None:
    path = layout.packed_bucket(job.spool.folder, bucket)
    found = find_record(job.storage, path, _PackedBucket)
    if found is None or found.shard is None:
        return found
    return found if job.storage.exists(f"{job.spec.folder}/{found.shard.file}") else None


def _pack_bucket(job: _Job, parts: list[str], item: dict[str, Any]) -> dict[str, Any]:
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
    record = _PackedBucket(
        split=split,
        shard=shard,
        documents=packed.documents,
        duplicates=packed.duplicates,
        tokens=packed.tokens,
        bytes=packed.bytes,
        unused_tokens=packed.unused_tokens,
    )
    write_record(job.storage, layout.packed_bucket(job.spool.folder, number), record)
    return {"bucket": number, "packed": record.model_dump_json()}


def _manifest(plan: _Plan, packed: list[_PackedBucket]) -> Manifest:
    spec = plan.job.spec
    counts = {
        "duplicates": sum(bucket.duplicates for bucket in packed),
        "unused_tokens": sum(bucket.unused_tokens for bucket in packed),
    }
    manifest = Manifest(
        name=spec.name,
        tokenizer=plan.job.tokenizer,
        vocabulary=plan.vocabulary,
        dtype="uint16" if plan.job.spool.dtype == "uint16" else "uint32",
        row_length=spec.sequence_length + 1,
        seed=spec.seed,
        source={**record_of(spec, plan.files), **counts},
        train=_split(spec, "train", packed),
        validation=_split(spec, "validation", packed),
        fingerprint="",
    )
    return fingerprinted(manifest)


def _split(spec: CorpusSpec, name: SplitName, packed: list[_PackedBucket]) -> Split:
    buckets = [bucket for bucket in packed if bucket.split == name]
    found = tuple(bucket.shard for bucket in buckets if bucket.shard)
    split = Split(
        shards=found,
        rows=sum(shard.rows for shard in found),
        documents=sum(bucket.documents for bucket in buckets),
        tokens=sum(bucket.tokens for bucket in buckets),
        bytes=sum(bucket.bytes for bucket in buckets),
    )
    where = f"corpus {spec.name!r}: {name}"
    all_documents = sum(bucket.documents for bucket in packed)
    if split.documents == 0:
        raise InputError(
            where,
            f"none of the {all_documents} documents fell to it (validation = {spec.validation})",
            "Give more documents or another share for `validation`; a text file is one document "
            "unless `document_separator` is set",
        )
    if split.rows == 0:
        raise InputError(
            where,
            f"its {split.tokens} tokens do not fill one row of {spec.sequence_length + 1}",
            "Give more text, another share for `validation`, or a smaller sequence_length",
        )
    return split
