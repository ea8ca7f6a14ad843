"""Files written piece by piece: complete or not there at all, like all others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.storage import Storage
from raycl.storage.s3.writes import regrouped


def pieces() -> Iterator[bytes | memoryview]:
    yield b"one "
    yield memoryview(bytearray(b"two "))
    yield b""
    yield b"three"


def failing() -> Iterator[bytes]:
    yield b"half"
    raise ValueError("no more")


def test_the_file_holds_all_pieces(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_bytes("folder/file", b"old")
    storage.write_stream("folder/file", pieces, 13)
    assert storage.read_bytes("folder/file") == b"one two three"


def test_an_error_in_the_middle_leaves_what_was_there(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_bytes("file", b"old")
    with pytest.raises(ValueError, match="no more"):
        storage.write_stream("file", failing, 8)
    assert os.listdir(tmp_path) == ["file"]
    assert storage.read_bytes("file") == b"old"


def test_no_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    with pytest.raises(InputError, match="a folder, where a file belongs"):
        Storage(tmp_path).write_stream("place", pieces, 13)
    assert os.listdir(tmp_path) == ["place"]


def test_a_path_outside_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leaves the storage root"):
        Storage(tmp_path).write_stream("../file", pieces, 13)


@given(st.lists(st.binary(max_size=20)), st.integers(1, 12))
def test_parts_of_an_upload_have_one_size(cut: list[bytes], size: int) -> None:
    parts = list(regrouped(cut, size))
    assert b"".join(parts) == b"".join(cut)
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts)
