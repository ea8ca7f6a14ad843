"""Measures planning, scheduling and reporting of sweeps with many nodes, whose training is a sleep.

    python -m benchmarks.control_plane plan 1000 10000
    python -m benchmarks.control_plane sweep 300 1000 2000
    python -m benchmarks.control_plane results 100 1000

Each size runs in a process of its own, so that its peak memory is not that of a larger one before.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.counted_requests import CountedStorage
from benchmarks.made_up_sweeps import SECONDS, pretend, sweep_of, write_state
from raycl.plan.cost import make_plan
from raycl.plan.tree import Tree
from raycl.recipe.definition import Definition, corpus_facts, make_tree
from raycl.storage import Storage

CPUS = 2


@contextmanager
def _timed(what: str, parts: int, of: str) -> Iterator[None]:
    began, used = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    print(
        f"{what:10} {wall:7.2f} s, CPU of this process {cpu:7.2f} s: "
        f"{wall / parts * 1e3:.3f} and {cpu / parts * 1e3:.3f} ms a {of}"
    )


def _memory() -> float:
    """Peak resident memory of this process, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _tree(definition: Definition) -> Tree:
    return make_tree(definition, corpus_facts(definition, None))


def plan(nodes: int) -> None:
    """Time the way from a recipe's data to the plan of its tree, without imports."""
    before = _memory()
    with _timed("planning", nodes, "node"):
        tree = _tree(sweep_of(nodes))
        made = make_plan(tree, ())
    print(
        f"{len(made.nodes):,} nodes of 1,000 steps in {len(tree.recipes):,} recipes; "
        f"memory {before:.0f} → {_memory():.0f} MiB"
    )


def sweep(nodes: int) -> None:
    """Run the tree with `run_sweep` on an embedded Ray; print time, memory, requests and files."""
    from raycl.cluster.connect import cluster
    from raycl.cluster.options import ClusterOptions

    tree = _tree(sweep_of(nodes))
    count = len(tree.nodes)
    options = ClusterOptions(workers=CPUS)
    with tempfile.TemporaryDirectory(prefix="raycl-benchmark-") as folder, cluster(options):
        from raycl.sweep.driver import TrialSettings, run_sweep  # imports Ray

        storage = CountedStorage(f"{folder}/storage", f"{folder}/requests")
        times: list[float] = []
        began, before = time.perf_counter(), _memory()
        with _timed("sweep", count, "node"):
            outcome = run_sweep(
                tree,
                storage,
                trials=TrialSettings(train=pretend),
                on_event=lambda e: (
                    times.append(time.perf_counter() - began) if e.kind == "finished" else None
                ),
            )
        assert len(outcome.finished) == count
        requests = storage.requests()
    # The cost of a node must not grow with the number of nodes that are done.
    tenths = [times[count * part // 10 - 1] for part in range(1, 11)]
    spans = [(b - a) / (count / 10) * 1e3 for a, b in zip([0.0, *tenths], tenths, strict=False)]
    print(
        f"{count:,} nodes, {SECONDS * 1e3:.0f} ms of training each, on {CPUS} CPUs; "
        f"driver's memory {before:.0f} → {_memory():.0f} MiB"
    )
    print("ms a node, each tenth of the sweep: " + " ".join(f"{span:.0f}" for span in spans))
    print(
        "requests a node: "
        + ", ".join(f"{kind} {number / count:.3f}" for kind, number in sorted(requests.items()))
    )


def results(recipes: int) -> None:
    """Time the results and the page of that many recipes, whose states are written before."""
    from raycl.recipe.sweep_plan import plan_sweeps
    from raycl.storage import layout
    from raycl.sweep.results import write_all

    definition = sweep_of(recipes)
    tree = _tree(definition)
    with tempfile.TemporaryDirectory(prefix="raycl-benchmark-") as folder:
        storage = CountedStorage(f"{folder}/storage", f"{folder}/requests")
        for node in tree.nodes:
            write_state(node.training, Storage(storage.url))
        with _timed("write_all", len(tree.recipes), "recipe"):
            write_all(plan_sweeps((definition,), storage), storage)
        requests = storage.requests()
        sizes = storage.sizes(layout.sweep(definition.recipe.name))
    histories = [size for path, size in sizes.items() if path.startswith("history/")]
    print(
        f"{len(tree.recipes):,} recipes of 3,000 steps; memory {_memory():.0f} MiB; "
        f"histories {sum(histories) / len(histories) / 2**10:.0f} KiB each"
    )
    print(
        ", ".join(
            f"{path} {size / 2**10:.0f} KiB"
            for path, size in sizes.items()
            if not path.startswith("history/")
        )
    )
    print(
        "requests a recipe: "
        + ", ".join(
            f"{kind} {number / len(tree.recipes):.3f}" for kind, number in sorted(requests.items())
        )
    )


def main() -> None:
    """Run one of the three measurements for each size."""
    parts: dict[str, Callable[[int], None]] = {"plan": plan, "sweep": sweep, "results": results}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("sizes", type=int, nargs="+", help="nodes")
    arguments = parser.parse_args()
    for size in arguments.sizes:
        process = multiprocessing.get_context("spawn").Process(
            target=parts[arguments.part], args=(size,)
        )
        process.start()
        process.join()
        if process.exitcode:
            raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
