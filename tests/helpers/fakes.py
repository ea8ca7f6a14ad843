"""Small corpora, chains and trees for tests that need real ones quickly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from raycl.data.manifest import Manifest, Split, write_manifest
from raycl.data.shards import write_shard
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.mixture import Mixture, Source
from raycl.plan.optimizer import Optimizer
from raycl.plan.schedule import Constant
from raycl.plan.training import ModelSpec, Training
from raycl.plan.tree import Node, Tree
from raycl.storage import Storage
from tests.helpers.manifests import small_manifest

ROWS = 400
SEVEN = [
    ("a", None, 1),
    ("b", "a", 1),
    ("c", "a", 2),
    ("d", "b", 1),
    ("e", "b", 1),
    ("f", "c", 1),
    ("g", "d", 1),
]
"""Nodes of a tree for `make_tree`: `c` has two workers, and the longest way ends with `g`."""


def make_corpus(storage: Storage, name: str, rows: int = ROWS, length: int = 17) -> Manifest:
    """A corpus of random rows in four shards, equal for equal names."""
    folder, generator = f"corpora/{name}", np.random.default_rng(sum(name.encode()))
    data = generator.integers(0, 60_000, (rows, length), dtype=np.uint16)
    cuts = [rows * part // 4 for part in range(5)]
    shards = tuple(
        write_shard(storage, folder, "train", n, data[cuts[n] : cuts[n + 1]]) for n in range(4)
    )
    held = (write_shard(storage, folder, "validation", 0, data[:4]),)
    train = Split(shards, rows, rows, rows * length, rows)
    validation = Split(held, 4, 4, 4 * length, 4)
    manifest = small_manifest(name, 60_000, length, train, validation, tokenizer="tokenizer")
    write_manifest(storage, folder, manifest)
    return manifest


def make_training(
    steps: int,
    batch: int = 8,
    length: int = 17,
    rows: int = ROWS,
    replay: str = "1/8",
    seed: int = 0,
) -> Training:
    """Steps over `new`, with replay of `old`; another seed is another chain."""
    sources = (
        Source("new", Fraction(1), limit=rows, at_end="repeat"),
        Source("old", Fraction(1), replay=True, first=3, limit=rows, at_end="repeat"),
    )
    mixture = Mixture(sources, batch, Fraction(replay))
    stage = ChainStage("stage", steps, Constant(max_lr=1e-3), mixture)
    chain = Chain({"seed": seed}, [stage], {"new": "0" * 16, "old": "1" * 16}, length - 1)
    corpora = {name: f"corpora/{name}" for name in ("new", "old")}
    return Training(chain, 0, steps, ModelSpec(), Optimizer(), seed, length - 1, corpora)


def make_tree(links: Sequence[tuple[str, str | None, int]], steps: int = 4) -> Tree:
    """A tree of (name, parent, workers) with `steps` steps a node; every node its own chain."""
    depth: dict[str | None, int] = {None: 0}
    nodes = []
    for seed, (name, parent, workers) in enumerate(links):
        start = depth[parent]
        depth[name] = start + steps
        training = make_training(start + steps, seed=seed)
        training = replace(training, start=start, stage=name, workers=workers)
        nodes.append(Node(name, parent, training, (name,)))
    return Tree(tuple(nodes), {})
