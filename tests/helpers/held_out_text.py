"""A storage with a corpus of real text, prepared without Ray, and a state trained on it a little.

The text is that of the language reference which comes with Python (pydoc's topics).
"""

from __future__ import annotations

import json
import pydoc_data.topics
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

from raycl.data.manifest import load_manifest
from raycl.data.prepare import CorpusSpec, TextSource, prepare_corpus, ray_tasks, train_tokenizer
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.mixture import Mixture, Source
from raycl.plan.optimizer import Optimizer
from raycl.plan.schedule import Constant
from raycl.plan.training import ModelSpec, Training
from raycl.plan.validation import Validation
from raycl.storage import Storage
from raycl.train.loop import train
from tests.helpers.training_runs import CONFIG, make_batches

LENGTH = 64


def texts() -> list[str]:
    """Documents of English prose and code."""
    return [text for _, text in sorted(pydoc_data.topics.topics.items())]


def run_here(task: Any, items: list[Any]) -> Iterator[Any]:
    """Instead of Ray."""
    yield from (json.loads(json.dumps(task(item))) for item in items)


def prepare_text(folder: Path, shard_tokens: int = 2**14) -> Storage:
    """A storage with the corpus `prose`, a third of it held out."""
    storage = Storage(folder / "storage")
    file = folder / "prose.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts()), "utf-8")
    source = TextSource((str(file),))
    reference, _ = train_tokenizer(storage, [source], 1024, 300_000, 0)
    spec = CorpusSpec("prose", source, LENGTH, Fraction(1, 3), seed=5, shard_tokens=shard_tokens)
    with patch.object(ray_tasks, "run_tasks", run_here):
        prepare_corpus(storage, spec, reference)
    return storage


def train_a_little(storage: Storage, steps: int = 30) -> str:
    """Name of a state after a few steps on `prose`."""
    manifest = load_manifest(storage, "corpora/prose")
    source = Source("prose", Fraction(1), limit=manifest.train.rows, at_end="repeat")
    stage = ChainStage("prose", steps, Constant(max_lr=1e-2), Mixture((source,), 8, Fraction(0)))
    chain = Chain({"seed": 1}, [stage], {"prose": manifest.fingerprint}, LENGTH)
    config = CONFIG | {"vocab_size": manifest.vocabulary, "max_position_embeddings": 2 * LENGTH}
    task = Training(
        chain,
        0,
        steps,
        ModelSpec(config, initialization="gpt-neox"),
        Optimizer(),
        1,
        LENGTH,
        {"prose": "corpora/prose"},
        validation=Validation(rows=8),
    )
    train(task, storage, make_batches(task, storage), lambda _: None)
    return chain.name(steps)
