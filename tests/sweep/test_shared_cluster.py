"""Three sweeps at once on one real cluster, which Ray itself does not promise for Tune."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from raycl.cluster.connect import free_port
from raycl.storage import Storage, layout
from tests.helpers import fake_loops, shared_cluster
from tests.helpers.heads import Head, start_head
from tests.helpers.paths import ROOT
from tests.helpers.pipeline import prepared_storage
from tests.helpers.shared_cluster import NAMES, OWN
from tests.helpers.waiting import PATIENCE_SECONDS, wait_until

CPUS = 3


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storage, dict[str, Any]]:
    """The storage after all three sweeps, and what each has noted."""
    folder = tmp_path_factory.mktemp("three")
    storage, port = prepared_storage(folder / "storage"), free_port()
    with start_head(f"--num-cpus={CPUS}", port=port) as head:
        processes = [start(storage, name, f"127.0.0.1:{port}", head, folder) for name in NAMES]
        try:
            wait_until(lambda: len(storage.list(layout.QUEUE)) == len(NAMES), "all are there")
            storage.write_json("all-there", True)
            for process in processes:
                process.wait(PATIENCE_SECONDS)
        finally:
            for process in processes:
                process.kill()
    logs = [f.read_text() for f in sorted(folder.glob("*.log"))]
    assert sorted(storage.list("done")) == sorted(NAMES), "\n".join(logs)
    return storage, {name: storage.read_json(f"done/{name}") for name in NAMES}


def start(storage: Storage, name: str, address: str, head: Head, logs: Path) -> Any:
    """A sweep in a process of its own."""
    module = shared_cluster.__name__
    with (logs / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", module, storage.url, name, address],
            env={**head.environment, "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
        )


@pytest.mark.ray
@pytest.mark.slow
def test_all_nodes_are_trained_once_and_nothing_is_left(
    results: tuple[Storage, dict[str, Any]],
) -> None:
    storage, of = results
    assert all(result["failed"] == {} for result in of.values())
    assert all(result["held"] == [] for result in of.values())
    own = [f"{name}{n}" for name in NAMES for n in range(OWN)]
    expected = sorted([*own, *(f"{name}s" for name in NAMES), "s", "z9", "z91"])
    assert fake_loops.notes(storage, "begun") == fake_loops.notes(storage, "trained") == expected
    (trainer,) = [name for name in NAMES if "s" in of[name]["finished"]]
    for name in NAMES:
        nodes = {link[0] for link in shared_cluster.links(name)}
        assert {*of[name]["finished"], *of[name]["elsewhere"]} == nodes
        assert of[name]["elsewhere"] == ([] if name == trainer else ["s"])
    assert storage.sizes(layout.QUEUE) == {}
    assert storage.sizes(layout.LEASES) == {}


@pytest.mark.ray
@pytest.mark.slow
def test_what_starts_is_within_what_is_allotted(
    results: tuple[Storage, dict[str, Any]],
) -> None:
    _, of = results
    for result in of.values():
        looks = result["looks"]
        beside_others = [
            (before, now) for before, now in pairwise(looks) if before["shared"] and now["shared"]
        ]
        assert any(now["running"] for _, now in beside_others)
        for before, now in beside_others:  # what starts during a look goes by the one before
            allotted = max(before["allotted"], now["allotted"])
            assert now["running"] <= max(before["running"], allotted)
