"""Tensors of a storage read by ranges: only the rows that were asked for, in pieces."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.models import weight_files
from raycl.models.headers import read_headers
from raycl.models.identifier import hashed_tensors
from raycl.models.safetensors_file import tensor_places
from raycl.models.weight_files import WeightFiles
from raycl.storage import Storage
from tests.helpers.checkpoints import write_checkpoint


def test_rows_are_read_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_checkpoint(tmp_path / "base") / "model.safetensors"
    read: list[int] = []
    whole = file.read_bytes()

    def read_range(_: Storage, path: str, start: int, length: int) -> bytes:
        assert path == file.name
        read.append(length)
        return whole[start : start + length]

    files = WeightFiles(Storage(file.parent), [file.name])
    monkeypatch.setattr(Storage, "read_range", read_range)
    for name, place in tensor_places(file).items():
        rows = (place.header.shape or (1,))[0]
        row_bytes = (place.end - place.begin) // rows
        monkeypatch.setattr(weight_files, "_PIECE_BYTES", 2 * row_bytes)
        for first in range(rows):
            read.clear()
            pieces = list(files.rows(name, first, rows))
            wanted = whole[place.begin + first * row_bytes : place.end]
            assert b"".join(data for _, data in pieces) == wanted
            assert [row for row, _ in pieces] == list(range(first, rows, 2))
            assert sum(read) == len(wanted)
            assert max(read) <= 2 * row_bytes


def test_hashes_are_those_of_the_identifier(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path / "base", shards=2)
    hashes = {n: header.sha256 for n, header in hashed_tensors(read_headers(folder)).items()}
    names = [file.name for file in folder.glob("*.safetensors")]
    files = WeightFiles(Storage(folder), names)
    assert {name: files.sha256(name) for name in files.headers} == hashes
    first = min(hashes)
    WeightFiles(Storage(folder), names, hashes).check(hashes)
    with pytest.raises(InputError, match="does not match its checksum"):
        WeightFiles(Storage(folder), names, {first: "0" * 64}).check([first])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.safetensors: the file is missing"):
        WeightFiles(Storage(tmp_path), ["gone.safetensors"])
