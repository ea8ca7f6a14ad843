"""Computes requests and bytes/s at the store for the paper's recipes, by the number of ranks.

    python -m benchmarks.ingest_at_scale [--measure]

The numbers come from the reads of every rank for a block of steps in the second stage (8 sources,
5 % replay). Each rank is taken to compute at 40 % of an H100's 989 TFLOP/s. So this is the load on
a store if nothing but the model's computation limits training. `--measure` writes the rows of some
steps and counts the real requests of a single rank, and of one rank of eight.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.counted_requests import CountedStorage
from benchmarks.made_up_corpora import describe_rows
from raycl.data.blocks import block_bounds
from raycl.data.rank_reader import RankReader, rank_reader
from raycl.data.shards import write_shard
from raycl.plan.mixture import Run
from raycl.plan.presets import flops_per_token
from raycl.plan.training import Training
from raycl.recipe.definition import corpus_facts, define, trainings
from raycl.storage import Storage

RECIPES = {"405M": "e5-replay-weak", "9.6B": "e7-scale"}
RANKS = (1, 8, 16, 48, 92, 184, 368, 552, 1104)
"""Numbers that divide the paper's batch of 1,104 rows; 64, for example, does not divide it."""
SHARD_ROWS = 2**25 // 2048
"""Rows of a shard with the default `shard_tokens`."""
CHECKSUM_BYTES = 4
FLOPS = 0.4 * 989e12
_MEASURED_STEPS = 16


class CountingReader:
    """Stands in for a corpus' reader: counts requests and rows, and returns arrays without data."""

    def __init__(self, row_length: int) -> None:
        self.row_length = row_length
        self.requests, self.rows = 0, 0

    def read(self, first: int, count: int) -> np.ndarray:
        """Count one request for each shard that holds some of the rows, as `CorpusReader.read`."""
        self.requests += (first + count - 1) // SHARD_ROWS - first // SHARD_ROWS + 1
        self.rows += count
        return np.empty((count, self.row_length), dtype=np.uint16)


class _RememberedRows:
    """Stands in for a chain. It computes the rows of a step once, and not again for each rank."""

    def __init__(self, training: Training) -> None:
        self.global_batch = training.chain.global_batch
        self._rows = cache(training.chain.rows)

    def rows(self, step: int) -> list[Run]:
        return self._rows(step)


@dataclass(frozen=True)
class Load:
    """The load of all ranks together on the store, per step."""

    requests: float
    row_bytes: float
    checksum_bytes: float
    """Every rank fetches the checksums of every shard with rows of the step."""


def second_stage(recipe: str) -> Training:
    """The second stage of a recipe of configs/paper with 5 % replay."""
    definition = define(Path("configs/paper") / f"{recipe}.yaml")
    whole = trainings(definition, corpus_facts(definition, None))["replay 5%"]
    return replace(whole, start=whole.chain.starts[1])


def load(training: Training, ranks: int) -> Load:
    """The load of all ranks for one block of steps in the middle of the stage."""
    length = training.sequence_length + 1
    remembered = replace(training, chain=cast(Any, _RememberedRows(training)))
    counter = CountingReader(length)
    readers = cast(Any, dict.fromkeys(training.corpora, counter))
    start = training.start + 1000
    steps = 1
    for rank in range(ranks):
        reader = RankReader(remembered, readers, np.dtype(np.uint16), rank, ranks)
        begin, stop = block_bounds(start, start + 1000, reader.step_bytes)[-2]  # of full size
        steps = stop - begin
        reader.read(start, start + steps)
    batch = training.chain.global_batch
    assert counter.rows == batch * steps
    return Load(
        counter.requests / steps + ranks * batch / SHARD_ROWS,
        batch * length * 2.0,
        float(ranks * batch * CHECKSUM_BYTES),
    )


def steps_per_second(training: Training, ranks: int) -> float:
    """Steps per second if each rank computes at `FLOPS` and never waits."""
    tokens = training.chain.tokens_per_step
    return (
        ranks * FLOPS / (flops_per_token(training.model.config, training.sequence_length) * tokens)
    )


def table() -> Iterator[str]:
    """Lines of a Markdown table, one for each recipe and number of ranks."""
    yield "| recipe | ranks | steps/s | requests/s | mean request, KiB | MB/s | of it checksums |"
    yield "|---|---|---|---|---|---|---|"
    for name, recipe in RECIPES.items():
        training = second_stage(recipe)
        for ranks in RANKS:
            per_step, speed = load(training, ranks), steps_per_second(training, ranks)
            total = per_step.row_bytes + per_step.checksum_bytes
            yield (
                f"| {name} | {ranks:,} | {_short(speed)} | {_short(per_step.requests * speed)} | "
                f"{total / per_step.requests / 2**10:,.0f} | {_short(total * speed / 1e6)} | "
                f"{per_step.checksum_bytes / total:.1%} |"
            )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def measure(ranks: int) -> str:
    """A sentence with the real requests of rank 0 in the first steps of 405M's second stage."""
    whole = second_stage(RECIPES["405M"])
    training = replace(whole, stop=whole.start + _MEASURED_STEPS)
    with tempfile.TemporaryDirectory(prefix="raycl-benchmark-") as folder:
        _write_corpora(Storage(f"{folder}/storage"), training)
        storage = CountedStorage(f"{folder}/storage", f"{folder}/requests")
        reader = rank_reader(training, storage, 0, ranks)
        at_start = storage.bytes_read(), sum(storage.requests().values())
        for begin, stop in block_bounds(training.start, training.stop, reader.step_bytes):
            reader.read(begin, stop)
        size = storage.bytes_read() - at_start[0]
        requests = storage.requests()
    rows = _MEASURED_STEPS * reader.rows_per_step * (training.sequence_length + 1) * 2
    return (
        f"rank 0 of {ranks}, {_MEASURED_STEPS} steps: {requests['read_range corpora']} range reads "
        f"({requests['read_range corpora'] / _MEASURED_STEPS:.2f} a step), "
        f"{requests['read corpora'] - at_start[1]} of checksums, {size:,} bytes, "
        f"{size / rows:.4f} of its rows'; before the first step {at_start[1]} requests"
    )


def _write_corpora(storage: Storage, training: Training) -> None:
    """Write as many rows of each corpus as these steps read; they read from its first row on."""
    rows: dict[str, int] = {}
    for step in range(training.start, training.stop):
        for run in training.chain.rows(step):
            rows[run.corpus] = max(rows.get(run.corpus, 0), run.first + run.count)
    length = training.sequence_length + 1
    for name, folder in training.corpora.items():
        data = np.zeros((rows.get(name, 1), length), dtype=np.uint16)
        shards = tuple(
            write_shard(storage, folder, "train", number, data[first : first + SHARD_ROWS])
            for number, first in enumerate(range(0, len(data), SHARD_ROWS))
        )
        describe_rows(storage, name, shards, length, 2**16)


def main() -> None:
    """Print the table, and before it the measurement where `--measure` is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    if parser.parse_args().measure:
        for ranks in (1, 8):
            print(measure(ranks))
            per_step = load(second_stage(RECIPES["405M"]), ranks)
            print(f"computed, of all ranks: {per_step.requests:.2f} requests a step")
    for line in table():
        print(line)


if __name__ == "__main__":
    main()
