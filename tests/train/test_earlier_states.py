"""States that were written before states had an index: read, verified, trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.earlier_states import write_as_before
from tests.helpers.stored_tensors import difference, state_folder, tensors
from tests.helpers.training_runs import make_storage, make_task, run
from tests.helpers.worker_processes import launch


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = make_storage(tmp_path_factory.mktemp("undisturbed"))
    run(storage, stop=3, reset=False)
    return storage


@pytest.fixture
def storage(undisturbed: Storage, tmp_path: Path) -> Storage:
    """A storage with the state after three steps as it was written before."""
    shutil.copytree(str(undisturbed.local_root), tmp_path, dirs_exist_ok=True)
    storage = Storage(tmp_path)
    write_as_before(storage, make_task(reset=False).chain.name(3))
    files = {path.suffix for path in state_folder(storage, 3, reset=False).iterdir()}
    assert "index.parquet" not in storage.list(f"states/{make_task(reset=False).chain.name(3)}")
    assert ".safetensors" in files
    return storage


def test_training_goes_on_to_the_same_bits(
    storage: Storage, undisturbed: Storage, tmp_path: Path
) -> None:
    other = Storage(tmp_path / "other")
    shutil.copytree(str(undisturbed.local_root), str(other.local_root))
    for place in (storage, other):
        run(place, start=3, reset=False)
    found, expected = (tensors(place, 6, reset=False) for place in (storage, other))
    assert difference(found, expected) == 0


def test_two_workers_go_on_from_it(storage: Storage) -> None:
    assert launch(2, [(storage, {"start": 3, "stop": 4, "reset": False})]) == [0, 0]
    assert storage.exists(f"states/{make_task(reset=False).chain.name(4)}/index.parquet")


@pytest.mark.parametrize("place", [3, 12, -5], ids=["length of the header", "header", "numbers"])
def test_a_flipped_bit_is_found(storage: Storage, place: int) -> None:
    (file,) = state_folder(storage, 3, reset=False).glob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    with pytest.raises(InputError, match=rf"{file.name}: it does not match its checksum"):
        run(storage, start=3, reset=False)
    file.write_bytes(data[:100])
    with pytest.raises(InputError, match=rf"{file.name}: it does not match its checksum"):
        run(storage, start=3, reset=False)
    file.unlink()
    with pytest.raises(InputError, match=rf"{file.name}: the file is missing"):
        run(storage, start=3, reset=False)
