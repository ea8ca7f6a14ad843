"""Prepare a corpus: tokenise units into a spool, then pack each bucket of it into a shard.

Both halves skip what is already complete, so that running again continues where a run ended.
"""

from __future__ import annotations

from raycl.data.manifest import SPLITS, Manifest, write_manifest
from raycl.data.prepare.describe import describe_corpus
from raycl.data.prepare.inputs import UNIT_BYTES
from raycl.data.prepare.pack_buckets import pack_buckets
from raycl.data.prepare.plan import Job, Progress, plan_preparation
from raycl.data.prepare.spec import CorpusSpec, prepared
from raycl.data.prepare.tokenise import tokenise_units
from raycl.data.prepare.unwritten import check_unwritten, total
from raycl.data.tokenizer import load_tokenizer, store_tokenizer
from raycl.storage import Storage, layout


def prepare_corpus(
    storage: Storage,
    spec: CorpusSpec,
    tokenizer_reference: str,
    progress: Progress | None = None,
    unit_bytes: int = UNIT_BYTES,
) -> Manifest:
    """Tokenise, shuffle and pack the corpus, unless it is there already. Needs a running Ray.

    `progress(phase, done, total)` hears of every finished task. `unit_bytes` is how much text one
    task reads; the result does not depend on it. Raises InputError where the text cannot be read,
    is too little, the tokenizer cannot write too much of it, or a corpus of this name was made from
    other text.
    """
    tokenizer = load_tokenizer(storage, tokenizer_reference)
    fingerprint = store_tokenizer(storage, tokenizer)
    finished = prepared(storage, spec, fingerprint)
    if finished is None:
        plan = plan_preparation(storage, spec, tokenizer, unit_bytes)
        report = progress or (lambda *_: None)
        _remove_leftovers(plan.job)
        tokenise_units(plan, report)
        unwritten = total(plan.job.spool.unwritten())
        check_unwritten(spec.name, unwritten, spec.unknown)
        packed = pack_buckets(plan.job, report)
        finished = describe_corpus(plan, packed, unwritten)
        write_manifest(storage, spec.folder, finished)
    storage.remove_folder(layout.spools(spec.folder))
    return finished


def _remove_leftovers(job: Job) -> None:
    """Remove what an unfinished preparation from other input or settings has left."""
    if not job.storage.exists(job.spool.folder):
        job.storage.remove_folder(layout.spools(job.spec.folder))
        for split in SPLITS:
            job.storage.remove_folder(f"{job.spec.folder}/{split}")
