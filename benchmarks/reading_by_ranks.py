"""Compares streams of Ray Data and reading threads, by the number of ranks that read at once.

    python -m benchmarks.reading_by_ranks --ranks 1 2 8

Each rank is an actor, as a worker of a node is one. All ranks read the steps of one training as
fast as they can, from local storage. Prints a line of a Markdown table for each way and number of
ranks: seconds to the slowest rank's first batch; million tokens/s of all ranks; CPU time of all
processes of the cluster, for each step and rank; processes that were started meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

import psutil

from benchmarks.ingest_speed import make_training, write_corpus
from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.data.rank_reader import Batches
from raycl.data.ray_stream import rank_batches
from raycl.data.threaded_reader import threaded_batches
from raycl.plan.training import Training
from raycl.storage import Storage

Way = Callable[[Training, Storage, int, int], Batches]
WAYS: dict[str, Way] = {"Ray Data": rank_batches, "thread": threaded_batches}


class Rank:
    """One rank, in a process of its own."""

    def ready(self) -> bool:
        """The process has started."""
        return True

    def read(self, way: str, training: Training, storage: Storage, rank: int, world: int) -> Any:
        """Seconds to the first batch and to the last one, and tokens."""
        began = time.perf_counter()
        stream = WAYS[way](training, storage, rank, world)(0)
        tokens = next(stream).size
        first = time.perf_counter() - began
        tokens += sum(batch.size for batch in stream)
        return first, time.perf_counter() - began, tokens


class Used:
    """CPU seconds of the processes of this cluster, those that have ended included."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[int, float], float] = {}

    def look(self) -> Used:
        """Look at all of them once."""
        for process in psutil.Process().children(recursive=True):
            try:
                times = process.cpu_times()
                self.seconds[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:
                continue
        return self


def measure(way: str, training: Training, storage: Storage, world: int) -> Iterator[str]:
    """Two lines of the table: the first node of the processes, and a later one."""
    import ray

    remote: Any = ray.remote(num_cpus=0)(Rank)
    actors = [remote.remote() for _ in range(world)]
    ray.get([actor.ready.remote() for actor in actors])
    for node in ("first", "later"):
        before, after = Used().look(), Used()
        began = time.perf_counter()
        calls = [a.read.remote(way, training, storage, r, world) for r, a in enumerate(actors)]
        while len(ray.wait(calls, num_returns=world, timeout=0.2)[0]) < world:
            after.look()
        wall = time.perf_counter() - began
        results = ray.get(calls)
        after.look()
        cpu = sum(s - before.seconds.get(key, 0.0) for key, s in after.seconds.items())
        yield (
            f"| {way}, {node} node | {world} | {max(first for first, _, _ in results):.2f} | "
            f"{sum(tokens for _, _, tokens in results) / wall / 1e6:.1f} | "
            f"{cpu / (training.stop * world) * 1e3:.2f} | "
            f"{len(after.seconds.keys() - before.seconds.keys())} |"
        )
    for actor in actors:
        ray.kill(actor)


def main() -> None:
    """Write corpora to a temporary folder and read them in both ways."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 8])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="raycl-benchmark-") as folder:
        storage = Storage(folder)
        write_corpus(storage, "new", arguments.rows)
        write_corpus(storage, "old", arguments.rows // 10)
        training = make_training(arguments.rows, arguments.batch)
        with cluster(ClusterOptions(workers=2)):
            for world in arguments.ranks:
                for way in WAYS:
                    for line in measure(way, training, storage, world):
                        print(line, flush=True)


if __name__ == "__main__":
    main()
