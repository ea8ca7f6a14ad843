"""Range reads across shards return what was written, and damage is named."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.data import shards as shard_files
from raycl.data.shards import (
    HEADER_BYTES,
    CorpusReader,
    Manifest,
    Split,
    content_fingerprint,
    load_manifest,
    verify_corpus,
    write_manifest,
    write_shard,
)
from raycl.errors import InputError
from raycl.storage import Storage

FOLDER = "corpora/numbers"


def make_corpus(
    storage: Storage, sizes: list[int], row_length: int = 5, dtype: str = "uint16"
) -> tuple[Manifest, np.ndarray]:
    """A corpus whose training shards have these sizes, and all its rows in one array."""
    generator = np.random.default_rng(1)
    rows = generator.integers(0, 60_000, (sum(sizes), row_length)).astype(dtype)
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    train = [write_shard(storage, FOLDER, "train", i, part) for i, part in enumerate(parts)]
    held_out = write_shard(storage, FOLDER, "validation", 0, rows[:1])
    manifest = Manifest(
        name="numbers",
        tokenizer="t",
        vocabulary=60_000,
        dtype=dtype,  # type: ignore[arg-type]
        row_length=row_length,
        seed=0,
        source={"files": []},
        train=Split(tuple(train), len(rows), 3, 100, 400),
        validation=Split((held_out,), 1, 1, 5, 20),
        fingerprint="",
    )
    manifest = dataclasses.replace(manifest, fingerprint=content_fingerprint(manifest))
    write_manifest(storage, FOLDER, manifest)
    return manifest, rows


@given(data=st.data(), sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5).filter(sum))
@settings(max_examples=60, deadline=None)
def test_any_range_across_shards(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, sizes: list[int]
) -> None:
    storage = Storage(tmp_path_factory.mktemp("s"))
    manifest, rows = make_corpus(storage, sizes)
    reader = CorpusReader(storage, FOLDER, manifest)
    first = data.draw(st.integers(0, len(rows)))
    count = data.draw(st.integers(0, len(rows) - first))
    read = reader.read(first, count)
    assert read.shape == (count, 5)
    assert read.flags.writeable
    np.testing.assert_array_equal(read, rows[first : first + count])


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_numpy_opens_a_shard(tmp_path: Path, dtype: str) -> None:
    _, rows = make_corpus(Storage(tmp_path), [7], dtype=dtype)
    loaded = np.load(tmp_path / FOLDER / "train/00000.npy")
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, rows)


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, -1), (0, 8), (7, 1), (8, 0)])
def test_outside_is_a_value_error(tmp_path: Path, first: int, count: int) -> None:
    storage = Storage(tmp_path)
    manifest, _ = make_corpus(storage, [3, 4])
    with pytest.raises(ValueError, match="not within"):
        CorpusReader(storage, FOLDER, manifest).read(first, count)


def test_a_flipped_bit_names_shard_and_row(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    manifest, rows = make_corpus(storage, [3, 4])
    path = tmp_path / FOLDER / "train/00001.npy"
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + 2 * 10 + 3] ^= 1  # row 2 of 10 bytes each
    path.write_bytes(data)
    reader = CorpusReader(storage, FOLDER, manifest)
    np.testing.assert_array_equal(reader.read(0, 5), rows[:5])
    with pytest.raises(InputError, match=r"train/00001\.npy: row 2 does not match"):
        reader.read(0, 7)
    with pytest.raises(InputError, match=r"00001\.npy: row 2"):
        verify_corpus(storage, FOLDER)


def test_a_changed_header_fails_verification(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    make_corpus(storage, [3])
    verify_corpus(storage, FOLDER)
    path = tmp_path / FOLDER / "train/00000.npy"
    path.write_bytes(path.read_bytes().replace(b"(3, 5)", b"(5, 3)"))
    with pytest.raises(InputError, match=r"train/00000\.npy: its SHA-256"):
        verify_corpus(storage, FOLDER)


def test_truncated_and_missing_files_are_named(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    manifest, _ = make_corpus(storage, [3, 4])
    folder = tmp_path / FOLDER / "train"
    shard, checksums = folder / "00001.npy", folder / "00000.crc32.npy"
    shard.write_bytes(shard.read_bytes()[:-11])
    with pytest.raises(InputError, match=r"00001\.npy: the file ends in row 2"):
        CorpusReader(storage, FOLDER, manifest).read(3, 4)
    shard.unlink()
    with pytest.raises(InputError, match=r"00001\.npy: the file is missing"):
        CorpusReader(storage, FOLDER, manifest).read(3, 1)
    short = io.BytesIO()
    np.save(short, np.zeros(2, np.uint32))
    checksums.write_bytes(short.getvalue())
    with pytest.raises(InputError, match=r"00000\.crc32\.npy: it holds 2 checksums for 3"):
        CorpusReader(storage, FOLDER, manifest).read(0, 1)
    checksums.write_bytes(b"no array")
    with pytest.raises(InputError, match=r"00000\.crc32\.npy: not a NumPy file"):
        CorpusReader(storage, FOLDER, manifest).read(0, 1)
    checksums.unlink()
    with pytest.raises(InputError, match=r"00000\.crc32\.npy: the file of row checksums"):
        CorpusReader(storage, FOLDER, manifest).read(0, 1)


def test_a_reader_pickles_without_its_cache(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    manifest, rows = make_corpus(storage, [2000])
    reader = CorpusReader(storage, FOLDER, manifest)
    reader.read(0, 10)
    data = pickle.dumps(reader)
    assert len(data) < 2000
    np.testing.assert_array_equal(pickle.loads(data).read(5, 5), rows[5:10])


def test_a_reader_keeps_the_checksums_of_the_latest_shards(tmp_path: Path) -> None:
    manifest, rows = make_corpus(Storage(tmp_path), [2] * 40)
    reader = CorpusReader(Storage(tmp_path), FOLDER, manifest)
    for _ in range(2):
        np.testing.assert_array_equal(reader.read(0, 80), rows)
        assert len(reader._checksums) == shard_files._KEPT_CHECKSUMS < 40


def test_manifest_round_trip(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    manifest, _ = make_corpus(storage, [3, 4])
    assert load_manifest(storage, FOLDER) == manifest


def test_fingerprint_covers_content_and_not_the_name(tmp_path: Path) -> None:
    manifest, _ = make_corpus(Storage(tmp_path), [3])
    print_of = content_fingerprint
    assert print_of(dataclasses.replace(manifest, name="x", source={})) == manifest.fingerprint
    assert print_of(dataclasses.replace(manifest, tokenizer="u")) != manifest.fingerprint
    assert print_of(dataclasses.replace(manifest, dtype="uint32")) != manifest.fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 1}, "rows: Unexpected keyword"),
        ({"seed": "0"}, "seed: Input should be a valid integer"),
        ({"seed": 1.5}, "seed: "),
        ({"dtype": "int64"}, "dtype: Input should be 'uint16' or 'uint32'"),
        ({"seed": None}, "seed: "),
        ({"fingerprint": "0"}, "fingerprint: does not match"),
        ({"train": {"shards": []}}, "train.rows: "),
    ],
)
def test_a_wrong_manifest_names_the_field(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    storage = Storage(tmp_path)
    make_corpus(storage, [3])
    record = storage.read_json(f"{FOLDER}/manifest.json")
    storage.write_json(f"{FOLDER}/manifest.json", {**record, **change})
    with pytest.raises(InputError) as caught:
        load_manifest(storage, FOLDER)
    assert "manifest.json" in caught.value.where
    assert message in str(caught.value)


def test_each_field_of_the_manifest_is_required(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    make_corpus(storage, [3])
    record = storage.read_json(f"{FOLDER}/manifest.json")
    for name in record:
        left = {key: value for key, value in record.items() if key != name}
        storage.write_bytes(f"{FOLDER}/manifest.json", json.dumps(left).encode())
        with pytest.raises(InputError, match=name):
            load_manifest(storage, FOLDER)


def test_no_manifest_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no prepared corpus"):
        load_manifest(Storage(tmp_path), FOLDER)


def test_of_a_large_corpus_the_sizes_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Storage(tmp_path)
    make_corpus(storage, [8])
    monkeypatch.setattr(shard_files, "_SMALL_CORPUS_BYTES", 0)
    shard_files.check_shards(storage, FOLDER)
    path = tmp_path / FOLDER / "train/00000.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(InputError, match=r"00000\.npy.* bytes where "):
        shard_files.check_shards(storage, FOLDER)
