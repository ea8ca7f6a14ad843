"""Finds the rows of each global batch that one rank reads, and reads them. Does not use Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raycl.data.manifest import load_manifest
from raycl.data.shards import CorpusReader
from raycl.errors import InputError
from raycl.plan.mixture import Run
from raycl.plan.shares import share_of
from raycl.plan.training import Training
from raycl.storage import Storage

Batches = Callable[[int], Iterator[np.ndarray]]
"""A function from a first step to an iterator of one rank's rows, step by step from there."""


def rank_runs(runs: Sequence[Run], rank: int, world: int) -> list[Run]:
    """The runs of the rank's share of a global batch, in its order; see `raycl.plan.shares`."""
    share = share_of(sum(run.count for run in runs), rank, world)
    mine, begin = [], 0
    for run in runs:
        first, stop = max(share.start - begin, 0), min(share.stop - begin, run.count)
        if first < stop:
            mine.append(Run(run.corpus, run.first + first, stop - first, run.block))
        begin += run.count
    return mine


@dataclass(frozen=True)
class RankReader:
    """Reads one rank's rows directly from storage."""

    training: Training
    readers: Mapping[str, CorpusReader]
    dtype: np.dtype
    rank: int
    world: int

    @property
    def rows_per_step(self) -> int:
        """Number of rows that this rank reads in each step."""
        return len(share_of(self.training.chain.global_batch, self.rank, self.world))

    @property
    def step_bytes(self) -> int:
        """Bytes of the rows that this rank reads in each step."""
        return self.rows_per_step * (self.training.sequence_length + 1) * self.dtype.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows [steps × rows per step, row length] of steps [start, stop).

        Raises InputError where a shard is missing or damaged.
        """
        runs = [
            run
            for step in range(start, stop)
            for run in rank_runs(self.training.chain.rows(step), self.rank, self.world)
        ]
        # By corpus, each run with its place in the result. Runs of one corpus can then be read
        # together, though runs of other corpora lie between them.
        places: dict[str, list[tuple[int, Run]]] = {}
        place = 0
        for run in runs:
            places.setdefault(run.corpus, []).append((place, run))
            place += run.count
        rows = np.empty((place, self.training.sequence_length + 1), dtype=self.dtype)
        for corpus, corpus_places in places.items():
            self._fill(rows, self.readers[corpus], corpus_places)
        return rows

    @staticmethod
    def _fill(rows: np.ndarray, reader: CorpusReader, places: list[tuple[int, Run]]) -> None:
        """Read the runs of a corpus and copy them to their places in `rows`."""
        for request in _requests(places):
            first = min(run.first for _, run in request)
            stop = max(run.first + run.count for _, run in request)
            data = reader.read(first, stop - first)
            for place, run in request:
                offset = run.first - first
                rows[place : place + run.count] = data[offset : offset + run.count]


def _requests(places: Sequence[tuple[int, Run]]) -> list[list[tuple[int, Run]]]:
    """The runs of a corpus, each with its place, by the request that reads them.

    Runs that follow each other in the corpus are read by one request. So are those of a block of a
    later epoch, with the rows between them: a few rows take less time than a request.
    """
    requests: list[list[tuple[int, Run]]] = []
    blocks: dict[int, list[tuple[int, Run]]] = {}
    stop = -1
    for place, run in places:
        if run.block is not None:
            blocks.setdefault(run.block, []).append((place, run))
            continue
        if run.first != stop:
            requests.append([])
        requests[-1].append((place, run))
        stop = run.first + run.count
    return [*requests, *blocks.values()]


def rank_reader(training: Training, storage: Storage, rank: int, world: int) -> RankReader:
    """One rank's reader. Raises InputError where a corpus is missing or its rows do not fit."""
    readers, dtypes = {}, set()
    for name, folder in training.corpora.items():
        manifest = load_manifest(storage, folder)
        if manifest.row_length != training.sequence_length + 1:
            raise InputError(
                storage.full_path(folder),
                f"rows of {manifest.row_length} tokens, not {training.sequence_length} + 1",
                "Prepare the corpus with the recipe's sequence_length",
            )
        readers[name] = CorpusReader(storage, folder, manifest)
        dtypes.add(np.dtype(manifest.dtype))
    return RankReader(training, readers, np.result_type(*dtypes), rank, world)


def direct_batches(training: Training, storage: Storage, rank: int, world: int) -> Batches:
    """The rank's rows of each step, read when needed: the reference for `rank_batches`."""
    reader = rank_reader(training, storage, rank, world)

    def batches(first_step: int) -> Iterator[np.ndarray]:
        for step in range(first_step, training.stop):
            yield reader.read(step, step + 1)

    return batches
