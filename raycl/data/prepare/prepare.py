"""Prepare corpora: tokenise units into spools, agree on shared documents, pack buckets into shards.

Each part skips what is already complete, so that running again continues where a run ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from raycl.data.document_hashes import SplitHashes
from raycl.data.manifest import SPLITS, Manifest, create_manifest, has_manifest, load_manifest
from raycl.data.prepare.agreement import agree
from raycl.data.prepare.claim import claimed
from raycl.data.prepare.describe import describe_corpus
from raycl.data.prepare.digests import check_unchanged
from raycl.data.prepare.move import move_documents, spool_is_gone
from raycl.data.prepare.origin import check_origin, prepared
from raycl.data.prepare.pack_buckets import pack_buckets
from raycl.data.prepare.passed_over import (
    PASSED_OVER,
    PassedOver,
    check_allowed,
    total_passed_over,
)
from raycl.data.prepare.plan import Job, PreparationPlan, Progress, plan_preparation
from raycl.data.prepare.sharing import hashes_of, sharing_of
from raycl.data.prepare.spec import CorpusSpec
from raycl.data.prepare.tokenise import found_in_tokens, tokenise_units
from raycl.data.prepare.unwritten import Unwritten, check_unwritten, total
from raycl.data.tokenizer import TextTokenizer, load_tokenizer, store_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage, layout

CorpusProgress = Callable[[str, str, int, int], None]
"""Hears of (corpus, phase, tasks done, all tasks) whenever a task is done."""


def prepare_corpus(
    storage: Storage,
    spec: CorpusSpec,
    tokenizer_reference: str,
    progress: Progress | None = None,
    unit_bytes: int | None = None,
) -> Manifest:
    """Prepare one corpus that is used with no other; see `prepare_corpora`."""
    report = (lambda _, *rest: progress(*rest)) if progress else None
    return prepare_corpora(storage, [spec], tokenizer_reference, report, unit_bytes)[spec.name]


def prepare_corpora(
    storage: Storage,
    specs: Sequence[CorpusSpec],
    tokenizer_reference: str,
    progress: CorpusProgress | None = None,
    unit_bytes: int | None = None,
) -> dict[str, Manifest]:
    """Tokenise, shuffle and pack the corpora of a recipe that are not there yet. Needs a Ray.

    A document that several of them hold is held out of all of them or of none. `progress` hears of
    every finished task. `unit_bytes` is how much text one task reads (by default as `unit_size`
    says); the result does not depend on it. Raises InputError where the text cannot be read, is too
    little, the tokenizer cannot write too much of it, or a corpus of this name was made from other
    text, or is being made from it.
    """
    tokenizer = load_tokenizer(storage, tokenizer_reference)
    fingerprint = store_tokenizer(storage, tokenizer)
    report = progress or (lambda *_: None)
    begun = [spec for spec in specs if not has_manifest(storage, spec.folder)]
    try:
        with ExitStack() as claims:
            return _prepare(storage, specs, tokenizer, report, unit_bytes, claims)
    except (FileNotFoundError, InputError) as error:
        # The same preparation may have ended first elsewhere, and removed the spool of both.
        made = _made_meanwhile(storage, specs, fingerprint) if begun else None
        if made is not None:
            return made
        if isinstance(error, InputError):
            raise
        raise spool_is_gone(specs[0].name) from error


def _prepare(
    storage: Storage,
    specs: Sequence[CorpusSpec],
    tokenizer: TextTokenizer,
    report: CorpusProgress,
    unit_bytes: int | None,
    claims: ExitStack,
) -> dict[str, Manifest]:
    fingerprint = tokenizer.fingerprint
    finished: dict[str, Manifest] = {}
    plans: dict[str, PreparationPlan] = {}
    for spec in specs:
        manifest = prepared(storage, spec, fingerprint)
        if manifest is None:
            plan = plan_preparation(storage, spec, tokenizer, unit_bytes)
            claims.enter_context(claimed(storage, spec.name, plan.job.key))
            # Another command may have ended between the look for a manifest and the claim.
            manifest = prepared(storage, spec, fingerprint)
            if manifest is None:
                _remove_leftovers(plan.job)
                plans[spec.name] = plan
        if manifest is not None:
            finished[spec.name] = manifest
    if not plans:
        return finished
    unwritten: dict[str, Unwritten] = {}
    passed_over: dict[str, PassedOver] = {}
    for name, plan in plans.items():
        tokenise_units(plan, _of(report, name))
        _check_text(plan)
        unwritten[name] = total(plan.job.spool.unwritten())
        check_unwritten(name, unwritten[name], plan.job.spec.unknown)
        passed_over[name] = total_passed_over(plan.job.spool.passed_over())
        check_allowed(name, passed_over[name], plan.job.spec.source.on_bad_record)
    agreement = agree(
        {n: plan.job.spool.hashes(range(len(plan.units))) for n, plan in plans.items()},
        {n: found for n, m in finished.items() if (found := hashes_of(storage, m)) is not None},
    )
    keys = {n: str(m.source["key"]) for n, m in finished.items() if "key" in m.source}
    keys |= {name: plan.job.key for name, plan in plans.items()}
    for name, plan in plans.items():
        sharing = {**sharing_of(agreement, name, keys), **found_in_tokens(plan)}
        facts = _Facts(sharing, unwritten[name], passed_over[name])
        finished[name] = _finish(plan, agreement.moves[name], facts, _of(report, name))
    for spec in specs:
        storage.remove_folder(layout.spools(spec.folder))
    return {spec.name: finished[spec.name] for spec in specs}


@dataclass(frozen=True)
class _Facts:
    """What is known of a corpus' text once it is tokenised, for its manifest."""

    sharing: dict[str, Any]
    """What it shares with other corpora, and what was found in it where it was tokens."""
    unwritten: Unwritten
    passed_over: PassedOver


def _finish(plan: PreparationPlan, moves: SplitHashes, facts: _Facts, report: Progress) -> Manifest:
    spec = plan.job.spec
    job, parts = move_documents(plan, moves, report)
    packed = pack_buckets(job, parts, report)
    known = {**facts.sharing, PASSED_OVER: facts.passed_over.recorded()}
    manifest = describe_corpus(plan, packed, known, facts.unwritten)
    if create_manifest(job.storage, spec.folder, manifest):
        return manifest
    committed = load_manifest(job.storage, spec.folder)
    check_origin(job.storage, spec, committed, job.tokenizer)
    if committed.fingerprint != manifest.fingerprint:
        raise InputError(
            f"corpus {spec.name!r}",
            "another command prepared it meanwhile, beside other corpora that share its documents",
            "Use that one, or give this one another name",
        )
    return committed


def _check_text(plan: PreparationPlan) -> None:
    """Raise InputError where files have changed since their digests were made."""
    for read in plan.files:
        check_unchanged(read.file)


def _made_meanwhile(
    storage: Storage, specs: Sequence[CorpusSpec], fingerprint: str
) -> dict[str, Manifest] | None:
    if not all(has_manifest(storage, spec.folder) for spec in specs):
        return None
    found = {spec.name: prepared(storage, spec, fingerprint) for spec in specs}
    return {name: manifest for name, manifest in found.items() if manifest is not None}


def _of(report: CorpusProgress, name: str) -> Progress:
    return lambda phase, done, total: report(name, phase, done, total)


def _remove_leftovers(job: Job) -> None:
    """Remove what an unfinished preparation from other input or settings has left."""
    storage, folder = job.storage, job.spec.folder
    if storage.exists(job.spool.folder):
        return
    for name in storage.list(layout.spools(folder)):
        storage.remove_folder(f"{layout.spools(folder)}/{name}")
    for place in (*SPLITS, layout.DOCUMENTS):
        storage.remove_folder(f"{folder}/{place}")
