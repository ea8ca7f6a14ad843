"""Measures the dashboard's reading of a sweep with many nodes, whose states are made up.

    python -m benchmarks.dashboard 1000
    python -m benchmarks.dashboard 100 --storage s3://bucket/prefix

The first look reads everything. Then nothing has changed; then one node trains.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.made_up_sweeps import sweep_of, write_state
from raycl.dashboard.latest import sent
from raycl.dashboard.read import WatchedStorage
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.states.mark import remove_state
from raycl.storage import Storage
from raycl.sweep.description import write_description
from raycl.sweep.leases import Leases
from raycl.watch.live_record import LiveNode, write_live

STEPS = 100
"""Of each stage."""


def made_up(nodes: int, storage: Storage) -> str:
    """Write a sweep of about this many nodes, all finished; the name of its last node."""
    definition = sweep_of(nodes, STEPS)
    plan = plan_sweeps((definition,), storage)
    write_description(definition, storage, plan.tree)
    for node in plan.tree.nodes:
        write_state(node.training, storage, loss=3.0)
    return plan.tree.nodes[-1].name


def live(node: str, step: int) -> LiveNode:
    """A node that trains."""
    now = datetime.now(UTC)
    return LiveNode(
        node=node,
        title="third",
        sweeps=("made-up",),
        holder="a",
        status="training",
        started=now,
        updated=now,
        first_step=2 * STEPS,
        last_step=3 * STEPS,
        step=step,
        numbers={"loss": 3.0, "tokens_per_second": 1000.0},
    )


def look(what: str, watched: WatchedStorage) -> None:
    """One look as the server takes it, timed and counted."""
    requests, began, used = (
        watched.storage.listed.requests,
        time.perf_counter(),
        time.process_time(),
    )
    found = watched.snapshot()
    read = time.perf_counter() - began
    data = sent(found).data
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    asked = watched.storage.listed.requests - requests
    print(
        f"{what:22} {wall:6.2f} s ({read:.2f} reading), CPU {cpu:6.2f} s, "
        f"{asked:,} requests, {len(data) / 2**10:,.0f} KiB sent",
        flush=True,
    )


def measure(nodes: int, storage: Storage) -> None:
    """Write the sweep and look at it in each situation."""
    last = made_up(nodes, storage)
    watched = WatchedStorage(storage.url)
    look("first look", watched)
    look("nothing has changed", watched)
    remove_state(storage, last)
    with Leases(storage) as leases:
        leases.take(last)
        write_live(storage, live(last, 2 * STEPS + 10))
        look("a node begins", watched)
        write_live(storage, live(last, 2 * STEPS + 20))
        look("a node goes on", watched)
    began = time.perf_counter()
    whole = json.dumps(watched.whole(), allow_nan=False)
    print(f"all curves: {time.perf_counter() - began:.2f} s, {len(whole) / 2**20:.1f} MiB of JSON")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nodes", type=int)
    parser.add_argument("--storage", help="an empty folder of an object store")
    given = parser.parse_args()
    if given.storage:
        measure(given.nodes, Storage(given.storage))
    else:
        with tempfile.TemporaryDirectory(prefix="raycl-benchmark-") as folder:
            measure(given.nodes, Storage(Path(folder)))
