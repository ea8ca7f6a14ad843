"""One of several sweeps on one cluster: `python -m … STORAGE NAME ADDRESS`.

All of them have the node `s`, and nodes of their own. Nothing ends before all sweeps are there.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from raycl.cluster.connect import cluster
from raycl.cluster.options import ClusterOptions
from raycl.cluster.queue_options import QueueOptions
from raycl.cluster.release import held_placement_groups, living_actors
from raycl.data.ray_stream import Batches
from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.sweep import queue_place
from raycl.sweep.events import SweepEvent
from raycl.sweep.queue_place import Place
from raycl.sweep.worker import Asked, Report
from tests.helpers import fake_loops, fakes
from tests.helpers.waiting import wait_until

NAMES = ("x", "y", "z")
NODE_SECONDS = 1.0
OWN = 4
"""Nodes of one worker that each sweep has for itself; `z` has one of two workers besides."""


def train(
    training: Training, storage: Storage, batches: Batches, report: Report, asked: Asked
) -> None:
    """A while, once all sweeps are in the queue."""
    wait_until(lambda: storage.exists("all-there"), "all sweeps are in the queue")
    time.sleep(NODE_SECONDS)
    fake_loops.read_all(training, storage, batches, report, asked)


def links(name: str) -> list[tuple[str, str | None, int]]:
    """The nodes of a sweep."""
    own: list[tuple[str, str | None, int]] = [(f"{name}{n}", None, 1) for n in range(OWN)]
    return [("s", None, 1), *own, (f"{name}s", "s", 1), *([("z9", None, 2)] if name == "z" else [])]


def watched_looks() -> list[dict[str, Any]]:
    """What each look at the queue has seen from here on, and what ran then."""
    looks: list[dict[str, Any]] = []
    refresh = Place.refresh

    def watched(self: Place) -> None:
        before = self.view
        refresh(self)
        running, shared = sum(self._entry.running), before.shared
        looks.append({"running": running, "allotted": before.allotted, "shared": shared})

    Place.refresh = watched  # type: ignore[method-assign]
    return looks


def main(url: str, name: str, address: str) -> None:
    """Run the sweep, and note what was seen and what is left."""
    from raycl.sweep.driver import TrialSettings, run_sweep

    queue_place.SHORTEST_SECONDS, queue_place.REFRESH_SECONDS = 0.05, 0.1
    storage, looks = Storage(url), watched_looks()
    options = ClusterOptions(address, queue=QueueOptions(owner=name))
    told: list[str] = []

    def tell(event: SweepEvent) -> None:
        told.append(str(event))
        print(event, flush=True)

    with cluster(options):
        trials = TrialSettings(sweeps=(name,), train=train)
        tree = fakes.make_tree(links(name))
        outcome = run_sweep(
            tree,
            storage,
            options,
            on_event=tell,
            trials=trials,
        )
        held = [*held_placement_groups(), *living_actors()]
    result: dict[str, Any] = {
        "finished": outcome.finished,
        "elsewhere": outcome.elsewhere,
        "held": held,
    }
    result |= {"failed": outcome.failed, "looks": looks, "told": told}
    storage.write_json(f"done/{name}", result)


if __name__ == "__main__":
    main(*sys.argv[1:])
