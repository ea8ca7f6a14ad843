"""Measures how fast one rank's rows arrive with plain reads, and with streams of Ray Data.

    python benchmarks/ingest_speed.py --rows 50000 --batch 32

Prints the seconds to the first batch and tokens per second for each way, with rows of 2049 tokens
(uint16) in local storage, 5 % of every batch from a second corpus.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from benchmarks.made_up_corpora import describe_rows
from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.data.ray_stream import Batches, direct_batches, rank_batches
from raycl.data.shards import write_shard
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.mixture import Mixture, Source
from raycl.plan.optimizer import Optimizer
from raycl.plan.schedule import Constant
from raycl.plan.training import ModelSpec, Training
from raycl.storage import Storage

ROW_LENGTH = 2049
SHARD_ROWS = 8192


def write_corpus(storage: Storage, name: str, rows: int) -> None:
    """Write a corpus of random tokens, whose values do not change the speed."""
    generator, shards = np.random.default_rng(0), []
    for number, first in enumerate(range(0, rows, SHARD_ROWS)):
        count = min(SHARD_ROWS, rows - first)
        data = generator.integers(0, 2**16, (count, ROW_LENGTH), dtype=np.uint16)
        shards.append(write_shard(storage, f"corpora/{name}", "train", number, data))
    describe_rows(storage, name, tuple(shards), ROW_LENGTH, 2**16)


def make_training(rows: int, batch: int) -> Training:
    """A training with as many steps as the new corpus has rows for."""
    sources = (
        Source("new", Fraction(1), limit=rows, at_end="repeat"),
        Source("old", Fraction(1), replay=True, limit=rows // 10, at_end="repeat"),
    )
    mixture, steps = Mixture(sources, batch, Fraction(1, 20)), rows // batch
    stage = ChainStage("stage", steps, Constant(max_lr=1e-3), mixture)
    chain = Chain({}, [stage], {"new": "0" * 16, "old": "1" * 16}, ROW_LENGTH - 1)
    corpora = {name: f"corpora/{name}" for name in ("new", "old")}
    return Training(chain, 0, steps, ModelSpec(), Optimizer(), 0, ROW_LENGTH - 1, corpora)


def measure(what: str, batches: Batches) -> None:
    """Print the speed of reading all batches once."""
    began = time.perf_counter()
    stream: Iterator[np.ndarray] = batches(0)
    tokens = next(stream).size
    first = time.perf_counter() - began
    tokens += sum(batch.size for batch in stream)
    rate = tokens / (time.perf_counter() - began) / 1e6
    print(f"{what:28} first batch after {first:6.3f} s, {rate:7.1f} million tokens/s")


def main() -> None:
    """Write corpora to a temporary folder and read them in every way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="raycl-benchmark-") as folder:
        storage = Storage(folder)
        write_corpus(storage, "new", arguments.rows)
        write_corpus(storage, "old", arguments.rows // 10)
        training = make_training(arguments.rows, arguments.batch)
        measure("plain reads", direct_batches(training, storage, 0, 1))
        with cluster(ClusterOptions(workers=2)):
            measure("Ray Data, first dataset", rank_batches(training, storage, 0, 1))
            measure("Ray Data, later datasets", rank_batches(training, storage, 0, 1))
            measure("Ray Data, rank 1 of 2", rank_batches(training, storage, 1, 2))


if __name__ == "__main__":
    main()
