"""What is no file in the place of a file: refused at once, and never waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from raycl.errors import InputError
from raycl.storage import Storage

Read = Callable[[Storage, str], object]
READS: dict[str, Read] = {
    "read_bytes": lambda storage, path: storage.read_bytes(path),
    "read_range": lambda storage, path: storage.read_range(path, 0, 4),
    "read_version": lambda storage, path: storage.read_version(path),
}


def make_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the path of a socket may have 107 characters
    try:
        socket.socket(socket.AF_UNIX).bind(path.name)
    finally:
        os.chdir(here)


def make_link_to_pipe(path: Path) -> None:
    os.mkfifo(f"{path}2")
    path.symlink_to(f"{path}2")


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "pipe": (os.mkfifo, "not a file but a named pipe"),
    "socket": (make_socket, "not a file but a socket"),
    "nothing": (lambda path: path.symlink_to("nowhere"), "a link that leads nowhere"),
    "itself": (lambda path: path.symlink_to(path.name), "it cannot be read"),
    "to a pipe": (make_link_to_pipe, "named pipe"),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, place: str, read: str) -> None:
    make, problem = PLACES[place]
    make(tmp_path / "file")
    with pytest.raises(InputError, match=problem) as caught:
        READS[read](Storage(tmp_path), "file")
    assert caught.value.where == str(tmp_path / "file")


def test_a_file_that_is_not_there_is_still_told_apart(tmp_path: Path) -> None:
    for read in READS.values():
        with pytest.raises(FileNotFoundError):
            read(Storage(tmp_path), "file")


def test_a_file_where_a_folder_belongs_is_no_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "states").write_text("x")
    storage = Storage(tmp_path)
    for listed in (storage.list, storage.everything_below, storage.sizes):
        with pytest.raises(InputError, match=r"states: a file, not a folder"):
            listed("states")
    with pytest.raises(InputError, match=r"states: a file, not a folder"):
        storage.write_bytes("states/a/b", b"x")


def test_a_folder_where_a_file_belongs_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(InputError, match=r"file: a folder, where a file belongs"):
        Storage(tmp_path).write_bytes("file", b"x")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_missing_right_is_named(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_bytes("folder/file", b"x")
    (tmp_path / "folder" / "file").chmod(0)
    with pytest.raises(InputError, match="it may not be read"):
        storage.read_bytes("folder/file")
    (tmp_path / "folder").chmod(0)
    with pytest.raises(InputError, match="it may not be read"):
        storage.list("folder")
    (tmp_path / "folder").chmod(0o700)
