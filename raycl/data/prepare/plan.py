"""What a preparation has to do: its files cut into units, its spool, its buckets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from raycl.data.prepare.inputs import find_files, plan_units
from raycl.data.prepare.source import InputFile, Unit
from raycl.data.prepare.spec import CorpusSpec, record_of
from raycl.data.prepare.spool import SPOOL_FORMAT, Buckets, Spool
from raycl.data.tokenizer import TextTokenizer
from raycl.storage import Storage, layout

Progress = Callable[[str, int, int], None]
"""Hears of (phase, tasks done, all tasks) whenever a task is done."""

# The number of shards has to be known before anything is tokenised, so that it is estimated.
_TYPICAL_BYTES_PER_TOKEN = 4


@dataclass(frozen=True)
class Job:
    """The facts that every task needs. They are sent with each task, so they are few."""

    storage: Storage
    spec: CorpusSpec
    spool: Spool
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
    files: list[InputFile]
    units: list[Unit]


def plan_preparation(
    storage: Storage, spec: CorpusSpec, tokenizer: TextTokenizer, unit_bytes: int
) -> PreparationPlan:
    """Cut the input into units of `unit_bytes` and decide into how many shards it goes.

    Raises InputError where there is no input.
    """
    files = find_files(spec.source)
    units, text_bytes = plan_units(spec.source, files, unit_bytes)
    share = Fraction(spec.validation)

    def buckets(part: Fraction) -> int:
        return max(1, round(part * text_bytes / _TYPICAL_BYTES_PER_TOKEN / spec.shard_tokens))

    # The folder's name depends on all of it, so that nothing is taken up that other input or
    # settings have left.
    settings = [record_of(spec, files), tokenizer.fingerprint, unit_bytes, SPOOL_FORMAT]
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    spool = Spool(
        storage=storage,
        folder=layout.spool(spec.folder, key),
        dtype="uint16" if tokenizer.vocabulary <= 2**16 else "uint32",
        buckets=Buckets(spec.seed, share, train=buckets(1 - share), held_out=buckets(share)),
    )
    job = Job(storage, spec, spool, tokenizer.fingerprint, tokenizer.end, tokenizer.begin)
    return PreparationPlan(job, tokenizer.vocabulary, files, units)
