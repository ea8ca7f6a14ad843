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
from raycl.data.tokenizer import TextTokenizer, read_tokenizer
from raycl.storage import Storage


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
    texts = _counted(job, item["unit"], pickle.loads(item["pieces"]))
    job.spool.write_unit(item["unit"], texts, tokenizer)
    return {}


def _counted(job: Job, number: int, unit: Unit) -> Iterator[str]:
    """The unit's documents; when the last is read, what was passed over is in the spool too."""
    tally = Tally()
    yield from read_documents(job.spec.source, unit, tally)
    job.spool.write_passed_over(number, tally.counted())


@lru_cache(maxsize=2)
def _tokenizer(storage: Storage, fingerprint: str) -> TextTokenizer:
    return read_tokenizer(storage, fingerprint)
