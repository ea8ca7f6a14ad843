"""A small sweep that is trained to its end in this process, without Ray, into a local storage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from raycl.data.manifest import fingerprinted, load_manifest, write_manifest
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import TextTokenizer, store_tokenizer
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.policy import END_OF_DOCUMENT
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.evaluation.store import TaskScores, add_losses, write_task
from raycl.plan.training import Training
from raycl.recipe.definition import Definition, bind_corpora, definition_of
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.storage import Storage
from raycl.sweep.description import write_description
from raycl.sweep.results import write_all
from raycl.train.loop import train
from tests.helpers.training_runs import BATCH, CONFIG, LENGTH, make_storage

NAME = "small"
SCHEDULE = {"kind": "cosine", "max_lr": "1e-2"}
RECIPE: dict[str, Any] = {
    "name": NAME,
    "model": {"config": CONFIG},
    "tokenizer": "tokenizer",
    "sequence_length": LENGTH,
    "global_batch": BATCH,
    "corpora": {"older": {"text": "older.jsonl"}, "new": {"text": "new.jsonl"}},
    "stages": [
        {"name": "older", "steps": 6, "schedule": SCHEDULE},
        {"name": "new", "steps": 6, "schedule": SCHEDULE},
    ],
    "validation": {"rows": 4, "every": 3},
    "execution": {"precision": "float32"},
    "sweep": {"new.replay": ["0%", "50%"]},
}


def definition() -> Definition:
    """The sweep's definition: a stage that both recipes share, and one of each."""
    return definition_of(RECIPE, "small.yaml")


def finished_sweep(folder: Path) -> Storage:
    """A storage with corpora, a tokenizer, three states, evaluations, results and their page."""
    storage = make_storage(folder)
    fingerprint = store_tokenizer(storage, small_tokenizer())
    for name in ("new", "older"):
        manifest = load_manifest(storage, f"corpora/{name}")
        write_manifest(storage, f"corpora/{name}", fingerprinted(manifest, tokenizer=fingerprint))
    plan = train_plan(storage)
    (planned,) = plan.sweeps
    bind_corpora(storage, planned.facts)
    write_description(planned.definition, storage, plan.tree)
    end = plan.tree.nodes[-1].name
    add_losses(storage, end, {("new", "another", 4): 2.0})
    scores = TaskScores(
        task="cloze",
        shots=0,
        limit=None,
        harness="0",
        digest=None,
        metrics={"acc": 0.5},
        errors={},
    )
    write_task(storage, end, scores)
    write_all(plan_sweeps((definition(),), storage), storage)
    return storage


def train_plan(storage: Storage) -> SweepPlan:
    """Train every node that the storage lacks, parents before their children; returns the plan."""
    plan = plan_sweeps((definition(),), storage)
    for node in plan.tree.nodes:
        if node.name not in plan.states:
            train_node(node.training, storage)
    return plan


def train_node(training: Training, storage: Storage) -> None:
    """Train one node as a worker would, its rows read directly."""

    def batches(first: int) -> Iterator[np.ndarray]:
        readers = {
            name: CorpusReader(storage, folder, load_manifest(storage, folder))
            for name, folder in training.corpora.items()
        }
        for step in range(first, training.stop):
            runs = training.chain.rows(step)
            yield np.concatenate([readers[run.corpus].read(run.first, run.count) for run in runs])

    train(replace(training, workers=1), storage, batches, lambda _: None)


def small_tokenizer() -> TextTokenizer:
    """A byte-level vocabulary of few letters, which no text is encoded with."""
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet())[:63], END_OF_DOCUMENT]
    tokenizer = Tokenizer(models.BPE({token: n for n, token in enumerate(tokens)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END_OF_DOCUMENT])
    return make_tokenizer(TokenizerFiles("of the tests", tokenizer.to_str()))
