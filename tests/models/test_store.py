"""A checkpoint in the storage: complete or not there, verified where it is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.models.find import find_start
from raycl.models.read import read_start
from raycl.models.references import remember
from raycl.models.start import Start
from raycl.models.store import (
    check_same_configuration,
    has_start,
    start_dtype,
    start_files,
    start_weights,
    store_start,
    stored_start,
    verify_start,
)
from raycl.storage import Storage
from tests.helpers.checkpoints import CONFIG, small_tensors, write_checkpoint
from tests.helpers.model_folders import model_folder


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "storage")


@pytest.fixture(name="start")
def _start(tmp_path: Path, storage: Storage) -> Start:
    folder = write_checkpoint(tmp_path / "base", shards=2)
    (folder / "tokenizer.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    found = read_start("base", tmp_path)
    assert store_start(storage, found)
    remember(storage, found, tmp_path)
    return found


def read_all(storage: Storage, identifier: str) -> None:
    """Read and check every tensor, as the workers of a node do together."""
    weights = start_weights(storage, identifier)
    weights.check(weights.headers)


def test_what_is_stored_is_what_was_read(storage: Storage, start: Start, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "base")
    found = stored_start(storage, start.identifier, "base")
    assert found is not None
    assert (found.identifier, found.config, found.tensors) == (
        start.identifier,
        start.config,
        start.tensors,
    )
    folder = tmp_path / "storage" / "starts" / start.identifier
    assert read_start(str(folder), tmp_path).identifier == start.identifier
    assert "pytorch_model.bin" not in {file.name for file in folder.iterdir()}
    assert (folder / "tokenizer.json").exists()


@pytest.mark.usefixtures("start")
def test_an_identifier_means_weights_with_one_configuration(
    storage: Storage, tmp_path: Path
) -> None:
    again = {**CONFIG, "attention_dropout": 0.5, "transformers_version": "5.0"}
    write_checkpoint(tmp_path / "base", config=again)
    check_same_configuration(storage, read_start("base", tmp_path))
    write_checkpoint(tmp_path / "base", config={**CONFIG, "rope_theta": 500_000.0})
    with pytest.raises(InputError, match=r"rope_theta 500000\.0: the storage has .* with None"):
        check_same_configuration(storage, read_start("base", tmp_path))


def test_it_is_stored_once(storage: Storage, start: Start, tmp_path: Path) -> None:
    assert not store_start(storage, start)
    write_checkpoint(tmp_path / "one-file")
    assert not store_start(storage, read_start("one-file", tmp_path))


def test_without_its_mark_it_is_not_there(storage: Storage, start: Start) -> None:
    storage.remove(f"starts/{start.identifier}/start.json")
    assert not has_start(storage, start.identifier)
    with pytest.raises(InputError, match="not in storage"):
        start_weights(storage, start.identifier)
    assert store_start(storage, start)


def test_files_that_change_while_they_are_copied_are_noticed(
    storage: Storage, tmp_path: Path
) -> None:
    folder = write_checkpoint(tmp_path / "base")
    found = read_start("base", tmp_path)
    write_checkpoint(folder, small_tensors(seed=1))
    with pytest.raises(InputError, match="have just changed"):
        store_start(storage, found)
    assert not has_start(storage, found.identifier)


def test_damage_is_named(storage: Storage, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "storage" / "starts" / start.identifier
    for file in sorted(folder.iterdir()):
        data = file.read_bytes()
        for damaged in (data[:-2], bytes([data[0] ^ 1]) + data[1:], None):
            if damaged is None:
                file.unlink()
            else:
                file.write_bytes(damaged)
            with pytest.raises(InputError, match=start.identifier):
                verify_start(storage, start.identifier)
            if file.suffix == ".safetensors":
                with pytest.raises(InputError, match=start.identifier):
                    read_all(storage, start.identifier)
        file.write_bytes(data)
    (folder / "stranger.safetensors").write_bytes(b"x")
    verify_start(storage, start.identifier)
    read_all(storage, start.identifier)


def test_exchanged_folders_are_noticed(storage: Storage, start: Start, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "other", small_tensors(seed=1))
    other = read_start("other", tmp_path)
    store_start(storage, other)
    starts = tmp_path / "storage" / "starts"
    for name, to in (
        (start.identifier, "x"),
        (other.identifier, start.identifier),
        ("x", other.identifier),
    ):
        (starts / name).rename(starts / to)
    with pytest.raises(InputError, match=f"that of the model {other.identifier}"):
        start_weights(storage, start.identifier)


def test_a_folder_that_is_gone_is_gone_on_with_from_the_storage(
    storage: Storage, start: Start, tmp_path: Path
) -> None:
    assert find_start("base", tmp_path, storage)[1] == ""
    (tmp_path / "base").rename(tmp_path / "moved")
    for reference in ("base", "./base", str(tmp_path / "base")):
        found, sentence = find_start(reference, tmp_path, storage)
        assert (found.identifier, found.config) == (start.identifier, CONFIG)
        assert "gone" in sentence
        assert start.identifier in sentence
    with pytest.raises(InputError):
        find_start("./base", tmp_path / "storage", storage)  # from another folder it is another
    with pytest.raises(InputError, match="there is no folder"):
        find_start("./base", tmp_path, None)


def test_the_configuration_is_that_of_the_folder(
    storage: Storage, start: Start, tmp_path: Path
) -> None:
    """The same weights with another configuration are one checkpoint, and yet other models."""
    other = write_checkpoint(tmp_path / "other", config={**CONFIG, "rope_theta": 5.0})
    found = read_start("other", tmp_path)
    assert found.identifier == start.identifier
    assert not store_start(storage, found)
    remember(storage, found, tmp_path)
    shutil.rmtree(other)
    assert find_start("other", tmp_path, storage)[0].config["rope_theta"] == 5.0


def test_an_identifier_names_a_stored_model(storage: Storage, start: Start, tmp_path: Path) -> None:
    for reference in (start.identifier, start.identifier[:12]):
        assert find_start(reference, tmp_path, storage)[0].identifier == start.identifier
    with pytest.raises(InputError, match="raycl models add"):
        find_start("0" * 64, tmp_path, storage)


@pytest.mark.usefixtures("start")
def test_a_damaged_record_of_a_name_is_named(storage: Storage, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "base")
    (record,) = (tmp_path / "storage" / "starts" / "references").iterdir()
    for content in ("null", "[]", "{", json.dumps({"reference": 1})):
        record.write_text(content)
        with pytest.raises(InputError, match=record.name):
            find_start("base", tmp_path, storage)


def test_the_type_and_the_files_of_a_stored_model(tmp_path: Path) -> None:
    storage, folder = Storage(tmp_path / "storage"), model_folder(tmp_path / "m", dtype="BF16")
    (folder / "merges.txt").write_text("a b")
    start = read_start(str(folder), tmp_path)
    assert start_dtype(storage, start.identifier) is None
    store_start(storage, start)
    assert start_dtype(storage, start.identifier) == "BF16"
    assert start_files(storage, start.identifier, ("merges.txt", "vocab.json")) == {
        "merges.txt": b"a b"
    }
