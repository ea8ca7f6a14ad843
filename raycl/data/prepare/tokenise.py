"""The first half of a preparation: every unit of text becomes tokens in the spool."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

from raycl.data.prepare import ray_tasks
from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.passed_over import Tally
from raycl.data.prepare.plan import Job, PreparationPlan, Progress
from raycl.data.prepare.source import Unit
from raycl.data.prepare.token_documents import TokenDocuments, holds_tokens, read_tokens
from raycl.data.prepare.token_facts import FOUND_IN_TOKENS, TokenFacts, total_facts
from raycl.data.tokenizer import TextTokenizer, read_tokenizer
from raycl.storage import Storage
from raycl.storage.record import read_record, write_record


def tokenise_units(plan: PreparationPlan, report: Progress) -> None:
    """Tokenise the units that are not in the spool yet, one Ray task each. Raises InputError."""
    done = plan.job.spool.done().keys()
    missing = [
        {"unit": number, "pieces": pickle.dumps(unit)}
        for number, unit in enumerate(plan.units)
        if number not in done
    ]
    report("tokenise", len(done), len(plan.units))
    results = ray_tasks.run_tasks(partial(_spool_unit, plan.job), missing)
    for count, _ in enumerate(results, start=len(done) + 1):
        report("tokenise", count, len(plan.units))


def _spool_unit(job: Job, item: dict[str, Any]) -> dict[str, Any]:
    # Ray runs one task on each CPU; threads within a task would only compete with the others.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = _tokenizer(job.storage, job.tokenizer)
    unit, pieces = item["unit"], pickle.loads(item["pieces"])
    if holds_tokens(job.spec.source):
        _spool_tokens(job, unit, pieces, tokenizer)
    else:
        job.spool.write_unit(unit, _counted(job, unit, pieces), tokenizer)
    return {}


def _spool_tokens(job: Job, number: int, unit: Unit, tokenizer: TextTokenizer) -> None:
    def finished(facts: TokenFacts) -> None:
        write_record(job.storage, job.spool.token_facts(number), facts)

    batches = TokenDocuments(tokenizer).batches(
        read_tokens(unit), job.spool.dtype, job.spool.buckets, finished
    )
    job.spool.write_batches(number, batches)


def found_in_tokens(plan: PreparationPlan) -> dict[str, Any]:
    """What a manifest records of documents that were tokens; nothing where they were text."""
    if not holds_tokens(plan.job.spec.source):
        return {}
    spool = plan.job.spool
    paths = [spool.token_facts(unit) for unit in range(len(plan.units))]
    facts = total_facts(read_record(plan.job.storage, path, TokenFacts) for path in paths)
    return {FOUND_IN_TOKENS: facts.model_dump()}


def _counted(job: Job, number: int, unit: Unit) -> Iterator[str]:
    """The unit's documents; when the last is read, what was passed over is in the spool too."""
    tally = Tally()
    yield from read_documents(job.spec.source, unit, tally)
    job.spool.write_passed_over(number, tally.counted())


@lru_cache(maxsize=2)
def _tokenizer(storage: Storage, fingerprint: str) -> TextTokenizer:
    return read_tokenizer(storage, fingerprint)
