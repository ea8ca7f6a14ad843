"""States of any layout: written once by all ranks together, read by whoever holds what."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest
import torch

from raycl.states.mark import read_mark
from raycl.states.tensor_index import BLOCK_BYTES, whole
from raycl.states.verify import state_faults
from raycl.storage import Storage
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.parallel.world import World
from tests.helpers.s3_server import S3Server
from tests.helpers.state_ranks import LAYOUTS, NAME, TENSOR_PARALLEL, save_and_load, whole_tensors

TOTAL = sum(tensor.nbytes for tensor in whole_tensors().values())
TENSORS = len(whole_tensors())


def check(url: str, folder: Path, saved: str, loaded: Sequence[str]) -> None:
    """Four ranks save and load; what each wrote, read and used; one process reads it all."""
    assert all(save_and_load(url, folder, 4, saved, loaded))
    storage = Storage(url)
    sizes = [f.bytes for n, f in read_mark(storage, NAME).files.items() if n.startswith("shard")]
    assert len(sizes) == 4  # replicas share the work of writing
    assert TOTAL < sum(sizes) < TOTAL + 4 * 2000  # and write nothing twice
    assert max(sizes) < TOTAL / 4 * 1.3
    assert not storage_faults(storage)
    overhead = 2 * TENSORS * BLOCK_BYTES + 2 * storage.size(f"states/{NAME}/index.parquet")
    for layout, rank in product(loaded, range(4)):
        facts = json.loads((folder / f"{layout}-{rank}.json").read_text())
        # A slice of columns is no range of a file: it takes the rows that it lies in.
        wider = 2 if layout == "columns" != saved else 1
        most = min(wider * facts["held"], TOTAL) + overhead
        assert facts["read"] <= most, (layout, rank, facts)
        # It is read into its place: beside it are the blocks that are under way, whose number at
        # one moment is a matter of scheduling.
        assert facts["more"] <= facts["read"] + 4 * BLOCK_BYTES, (layout, rank, facts)
        assert wider == 2 or layout == "copies" or most < TOTAL
    stored = StoredTensors(storage, read_state(storage, NAME), World(0, 1, torch.device("cpu")))
    for name, tensor in whole_tensors().items():
        assert torch.equal(stored.read(name, whole(tensor.shape)), tensor)


@pytest.mark.parametrize(
    ("saved", "loaded"),
    [("hybrid", sorted(LAYOUTS)), (TENSOR_PARALLEL, ["twice", TENSOR_PARALLEL])],
)
def test_any_layout_reads_what_any_other_has_written(
    tmp_path: Path, saved: str, loaded: list[str]
) -> None:
    check(str(tmp_path / "storage"), tmp_path, saved, loaded)


@pytest.mark.s3
def test_ranks_share_the_work_at_an_object_store(s3: S3Server, tmp_path: Path) -> None:
    check(f"s3://{s3.new_bucket()}/deep", tmp_path, "flat", ["hybrid", "flat"])


def storage_faults(storage: Storage) -> list[str]:
    """What is wrong with the state, but for its history, which is none here."""
    return [str(e) for e in state_faults(storage, NAME) if "history.parquet" not in e.where]
