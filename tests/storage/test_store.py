"""Files below a root: whole or not at all, and nowhere else."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.storage import Storage, scratch_folder
from tests.helpers.paths import ROOT

settings.register_profile("unhurried", deadline=None)  # other tests may load the machine
settings.load_profile("unhurried")

NAMES = st.text("abcXYZ019._-é ", min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..") and ".partial-" not in name
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.fixture
def storage(any_new_storage: Callable[[], Storage]) -> Storage:
    """Local, and in two kinds of bucket."""
    return any_new_storage()


@pytest.fixture
def local(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "root")


@settings(max_examples=25)
@given(PATHS, st.binary(max_size=300), st.binary(max_size=300))
def test_what_is_written_is_read(
    any_new_storage: Callable[[], Storage], path: str, first: bytes, second: bytes
) -> None:
    storage = any_new_storage()
    assert not storage.exists(path)
    for data in (first, second):
        storage.write_bytes(path, data)
        assert storage.exists(path)
        assert storage.read_bytes(path) == data
        assert storage.size(path) == len(data)
        if storage.has_conditional_writes:
            assert storage.read_version(path)[0] == data
        assert storage.sizes() == {path: len(data)}
        if storage.local_root is not None:
            assert Path(storage.full_path(path)).read_bytes() == data
    parent, _, name = path.rpartition("/")
    assert storage.list(parent) == [name]
    storage.remove(path)
    assert not storage.exists(path)


@settings(max_examples=25)
@given(st.binary(max_size=200), st.integers(0, 250), st.integers(0, 250))
def test_ranges_also_past_the_end(
    any_new_storage: Callable[[], Storage], data: bytes, start: int, length: int
) -> None:
    storage = any_new_storage()
    storage.write_bytes("f", data)
    assert storage.read_range("f", start, length) == data[start : start + length]


@settings(deadline=None, max_examples=30)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**60), 2**60)
        | st.text(max_size=5)
        | st.floats(allow_nan=False),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_json_round_trips(value: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(folder)
        storage.write_json("a/b.json", value)
        assert storage.read_json("a/b.json") == value
        assert storage.read_bytes("a/b.json").endswith(b"\n")


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b'{"a": 1'])
def test_what_is_no_json_is_named(storage: Storage, data: bytes) -> None:
    storage.write_bytes("x.json", data)
    with pytest.raises(InputError, match=r"x\.json: not valid JSON"):
        storage.read_json("x.json")


def test_missing_files_and_folders(storage: Storage) -> None:
    for read in (storage.read_bytes, storage.read_json, storage.size):
        with pytest.raises(FileNotFoundError):
            read("no/such")
    with pytest.raises(FileNotFoundError):
        storage.read_range("no/such", 0, 1)
    with pytest.raises(FileNotFoundError):
        storage.read_range("no/such", 0, 0)
    storage.write_bytes("folder/file", b"")
    with pytest.raises(FileNotFoundError):
        storage.size("folder")
    assert storage.exists("folder")
    assert not storage.exists("fold")
    assert storage.list("no") == []
    assert storage.sizes("no") == {}
    assert Storage(storage.full_path("nowhere")).list() == []
    storage.remove_folder("no")
    storage.remove("no/such")


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "../x", "a/../../x", "a/..", "//x"])
def test_paths_out_of_the_root_are_refused(storage: Storage, tmp_path: Path, path: str) -> None:
    (tmp_path / "x").write_text("secret")
    before = sorted(tmp_path.rglob("*"))
    calls: list[Any] = [
        storage.full_path,
        storage.exists,
        storage.size,
        storage.read_bytes,
        storage.read_json,
        storage.list,
        storage.remove_folder,
        lambda p: storage.read_range(p, 0, 1),
        storage.sizes,
        storage.remove,
        lambda p: storage.upload_file(tmp_path / "x", p),
        lambda p: storage.write_bytes(p, b""),
        lambda p: storage.write_json(p, 1),
        lambda p: storage.download_folder(p, tmp_path / "down"),
    ]
    if storage.has_conditional_writes:
        calls += [
            storage.read_version,
            lambda p: storage.create(p, b""),
            lambda p: storage.replace(p, b"", "v"),
            lambda p: storage.delete_if(p, "v"),
        ]
    for call in calls:
        with pytest.raises(InputError, match="leaves the storage root"):
            call(path)
    assert [p for p in sorted(tmp_path.rglob("*")) if p.name != "down"] == before
    assert storage.full_path("a..b/c...") == f"{storage.url}/a..b/c..."


def test_list_is_one_level_sorted_and_without_unfinished_files(storage: Storage) -> None:
    for path in ("b", "a/x", "a/y/z", "c.txt"):
        storage.write_bytes(path, b"1")
    storage.write_bytes("d.partial-0123abcd", b"left by a killed writer")
    storage.write_bytes("a/.partial-lock", b"")
    assert storage.list() == ["a", "b", "c.txt"]
    assert storage.list("a") == ["x", "y"]
    assert storage.sizes("a") == {"x": 1, "y/z": 1}
    storage.remove_folder("a")
    # SeaweedFS goes on listing a folder whose objects are gone; Amazon S3 does not.
    assert [name for name in storage.list() if storage.exists(name)] == ["b", "c.txt"]
    assert storage.sizes() == {"b": 1, "c.txt": 1}
    assert not storage.exists("a/y/z")


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(
    local: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = local
    storage.write_bytes("f", b"old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            with pytest.raises(OSError, match="disk full"):
                storage.write_bytes("f", b"new")
            with pytest.raises(OSError, match="disk full"):
                storage.write_bytes("g", b"new")
        assert storage.read_bytes("f") == b"old"
        assert os.listdir(storage.url) == ["f"]


def test_readers_see_the_old_file_or_the_new_one(storage: Storage) -> None:
    size, stop = 300_000, threading.Event()
    storage.write_bytes("f", b"0" * size)

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            storage.write_bytes("f", str(number % 10).encode() * size)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            data = storage.read_bytes("f")
            assert len(data) == size
            assert len(set(data)) == 1
            assert storage.list() == ["f"]
    finally:
        stop.set()
        for writer in writers:
            writer.join()


def test_a_killed_writer_leaves_the_old_file(local: Storage) -> None:
    storage = local
    storage.write_bytes("f", b"old")
    code = (
        "import os, signal, sys\n"
        "from raycl.storage import Storage\n"
        "os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Storage(sys.argv[1]).write_bytes('f', b'new')\n"
    )
    root = str(ROOT)
    done = subprocess.run([sys.executable, "-c", code, storage.url], cwd=root, check=False)
    assert done.returncode == -9
    assert storage.read_bytes("f") == b"old"
    assert storage.list() == ["f"]


def test_folders_go_up_and_down(storage: Storage, tmp_path: Path) -> None:
    local = tmp_path / "local"
    (local / "deep" / "er").mkdir(parents=True)
    (local / "a").write_bytes(b"1")
    (local / "deep" / "er" / "b").write_bytes(b"2")
    (local / "deep" / "empty").write_bytes(b"")
    storage.upload_folder(local, "up")
    assert storage.sizes("up") == {"a": 1, "deep/empty": 0, "deep/er/b": 1}
    assert storage.read_bytes("up/deep/er/b") == b"2"
    storage.download_folder("up", tmp_path / "down")  # files directly below, nothing deeper
    assert [p.name for p in (tmp_path / "down").iterdir()] == ["a"]
    storage.download_folder("missing", tmp_path / "empty")
    assert list((tmp_path / "empty").iterdir()) == []


def test_roots_are_one_place_however_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for root in (
        tmp_path / "r",
        str(tmp_path / "r"),
        "r",
        "./x/../r",
        "~/r",
        "r/",
        f"file://{tmp_path}/r",
    ):
        assert Storage(root).url == str(tmp_path / "r")
    storage = Storage("r")
    storage.write_bytes("f", b"1")
    monkeypatch.chdir("/")  # a worker runs elsewhere
    again = pickle.loads(pickle.dumps(storage))
    assert again.read_bytes("f") == b"1"
    assert repr(again) == f"Storage({str(tmp_path / 'r')!r})"


@pytest.mark.parametrize(
    "url", ["ftp://host/x", "foo://x", "hdfs://", "://", "s3://", "gs:///", "http://host/x"]
)
def test_unusable_addresses_are_input_errors(url: str) -> None:
    with pytest.raises(InputError, match=r"^storage '.*: .*Give a local path") as caught:
        Storage(url)
    assert url in caught.value.where


def test_writable_or_an_input_error(storage: Storage, local: Storage, tmp_path: Path) -> None:
    storage.check_writable()
    assert storage.sizes() == {}  # the probe is gone
    local.check_writable()
    assert os.listdir(local.url) == []
    (tmp_path / "file").write_text("in the way")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):  # refused for root users, too
        with pytest.raises(InputError, match="a file, not a folder"):
            Storage(root).check_writable()
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody may write to")
def test_a_folder_nobody_may_write_to() -> None:
    with pytest.raises(InputError, match="not writable"):
        Storage("/proc/raycl").check_writable()


def test_a_scratch_folder_is_removed() -> None:
    with scratch_folder("test") as folder:
        assert Path(folder).name.startswith("raycl-test-")
        (Path(folder) / "f").write_text("")
    assert not Path(folder).exists()


@given(st.text(), st.text(), st.text())
def test_input_errors_cross_process_borders(where: str, problem: str, remedy: str) -> None:
    error = InputError(where, problem, remedy)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is InputError
    assert (again.where, again.problem, again.remedy) == (where, problem, remedy)
    assert str(again) == str(error) == f"{where}: {problem}. {remedy}"
