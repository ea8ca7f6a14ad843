"""What a preparation has to do: its files cut into units, its spool, its buckets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from raycl.data.prepare.buckets import Buckets
from raycl.data.prepare.digests import digests
from raycl.data.prepare.inputs import UNIT_BYTES, find_files, plan_units
from raycl.data.prepare.origin import ReadFile, read_files, settings_of
from raycl.data.prepare.readers.compression import expected_bytes
from raycl.data.prepare.readers.reader import TYPICAL_BYTES_PER_TOKEN
from raycl.data.prepare.source import Unit
from raycl.data.prepare.spec import CorpusSpec
from raycl.data.prepare.spool import SPOOL_FORMAT, Spool
from raycl.data.tokenizer import TextTokenizer
from raycl.storage import Storage, layout

Progress = Callable[[str, int, int], None]
"""Hears of (phase, tasks done, all tasks) whenever a task is done."""

_UNITS = 64
_LEAST_UNIT_BYTES = 2**20


@dataclass(frozen=True)
class Job:
    """The facts that every task needs. They are sent with each task, so they are few."""

    storage: Storage
    spec: CorpusSpec
    spool: Spool
    key: str
    """Names all that decides the content of the corpus; its shards carry it in their paths."""
    tokenizer: str
    """Fingerprint of the tokenizer."""
    end_of_document: int
    """Id of the token that ends a document."""
    begin_of_document: int | None
    """Id of the token that begins a document, where there is one."""


@dataclass(frozen=True)
class PreparationPlan:
    """The facts that only the driver needs."""

    job: Job
    vocabulary: int
    files: list[ReadFile]
    units: list[Unit]


def plan_preparation(
    storage: Storage, spec: CorpusSpec, tokenizer: TextTokenizer, unit_bytes: int | None = None
) -> PreparationPlan:
    """Cut the input into units of `unit_bytes` and decide into how many shards it goes.

    Raises InputError where there is no input.
    """
    found = find_files(spec.source)
    unit_bytes = unit_bytes or unit_size(sum(map(expected_bytes, found)))
    files = read_files(found, digests(found))
    # The order is that of contents, so that a preparation goes on where the text was moved.
    units, text_bytes = plan_units(spec.source, [read.file for read in files], unit_bytes)
    share = Fraction(spec.validation)

    # The number of shards has to be known before anything is tokenised, so that it is estimated.
    def buckets(part: Fraction) -> int:
        return max(1, round(part * text_bytes / TYPICAL_BYTES_PER_TOKEN / spec.shard_tokens))

    # Paths depend on all of it, so that nothing is taken up that other input or settings have
    # left, and nothing that another preparation wrote is replaced.
    content = [read.content for read in files]
    key = key_of([SPOOL_FORMAT, settings_of(spec), content, tokenizer.fingerprint])
    spool = Spool(
        storage=storage,
        folder=layout.spool(spec.folder, f"{key}-{unit_bytes}"),
        dtype="uint16" if tokenizer.vocabulary <= 2**16 else "uint32",
        buckets=Buckets(
            spec.seed, share, buckets(1 - share), buckets(share), held_out_seed=spec.held_out_seed
        ),
    )
    fingerprint, end, begin = tokenizer.fingerprint, tokenizer.end, tokenizer.begin
    job = Job(storage, spec, spool, key, fingerprint, end, begin)
    return PreparationPlan(job, tokenizer.vocabulary, files, units)


def unit_size(text_bytes: int) -> int:
    """Bytes of text that a task reads: a small corpus too has work for many CPUs.

    It depends on the text alone, so that a preparation goes on where there are other CPUs.
    """
    return min(max(text_bytes // _UNITS, _LEAST_UNIT_BYTES), UNIT_BYTES)


def key_of(facts: object) -> str:
    """A short name for plain JSON values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
