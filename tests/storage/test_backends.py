"""A new back end is one class of files and one line in the table of schemes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typing_extensions import override

from raycl.errors import InputError
from raycl.storage import Storage
from raycl.storage.backend import Entry, Files, Found
from raycl.storage.backends import BACK_ENDS
from raycl.storage.options import S3Options
from raycl.storage.retries import Retries


class MemoryFiles(Files):
    """Files in memory, without conditional writes: the least that a back end has to be."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._files: dict[str, bytes] = {}

    @override
    def exists(self, path: str) -> bool:
        return path in self._files or any(self.found(path))

    @override
    def size(self, path: str) -> int:
        return len(self.read(path))

    @override
    def read(self, path: str) -> bytes:
        if path not in self._files:
            raise FileNotFoundError(path)
        return self._files[path]

    @override
    def read_range(self, path: str, start: int, length: int) -> bytes:
        return self.read(path)[start : start + length]

    @override
    def write(self, path: str, data: bytes | memoryview) -> None:
        self._files[path] = bytes(data)

    @override
    def entries(self, path: str) -> Iterator[Entry]:
        for found in self.found(path):
            name, below, _ = found.path.partition("/")
            yield Entry(name, bool(below))

    @override
    def found(self, path: str) -> Iterator[Found]:
        folder = f"{path}/" if path else ""
        for name, data in self._files.items():
            if name.startswith(folder):
                yield Found(name[len(folder) :], len(data), None)

    @override
    def remove(self, path: str) -> None:
        self._files.pop(path, None)

    @override
    def remove_folder(self, path: str) -> None:
        for found in list(self.found(path)):
            self.remove(f"{path}/{found.path}")


def open_memory(url: str, _options: S3Options | None, _retries: Retries) -> Files:
    return MemoryFiles(url.rstrip("/"))


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Storage:
    monkeypatch.setitem(BACK_ENDS, "memory", open_memory)
    return Storage("memory://somewhere/")


def test_a_storage_works_on_a_new_back_end(memory: Storage, tmp_path: Path) -> None:
    memory.check_writable()
    memory.write_json("folder/a.json", [1])
    memory.write_bytes("folder/below/b", b"12345")
    assert memory.url == "memory://somewhere"
    assert memory.read_json("folder/a.json") == [1]
    assert memory.list("folder") == ["a.json", "below"]
    assert memory.sizes("folder")["below/b"] == 5
    memory.download_folder("folder/below", tmp_path)
    assert (tmp_path / "b").read_bytes() == b"12345"
    memory.remove_folder("folder")
    assert not memory.exists("folder")


def test_a_back_end_says_whether_it_has_conditional_writes(memory: Storage, tmp_path: Path) -> None:
    assert not memory.has_conditional_writes
    with pytest.raises(InputError, match="no conditional writes are possible there"):
        memory.create("file", b"")
    assert Storage(tmp_path).has_conditional_writes


def test_remote_files_have_no_local_root(memory: Storage, tmp_path: Path) -> None:
    assert memory.local_root is None
    assert memory.options is None
    assert Storage(f"file://{tmp_path}").local_root == tmp_path


@pytest.mark.parametrize("url", ["", " ", "file://", "a\0b", "s3:/bucket/runs", "file:/runs"])
def test_what_would_be_another_folder_than_was_meant(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"not a path|one slash after the colon"):
        Storage(url)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Storage("./s3:/runs").write_bytes("file", b"x")
    assert Storage("s3:/runs").read_bytes("file") == b"x"
