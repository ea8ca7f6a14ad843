"""Every operation of a storage through every fault of its store, and the store killed with -9."""

from __future__ import annotations

import os
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from raycl.storage import Storage
from raycl.storage.options import S3Options
from raycl.storage.retries import GaveUpError, Retries
from raycl.storage.s3 import client as s3_client
from raycl.storage.s3 import files as s3_files
from raycl.storage.s3 import writes as s3_writes
from tests.helpers.fault_proxy import (
    KINDS,
    Fault,
    FaultProxy,
    Request,
    at_random,
    fault_proxy,
    first,
    nothing,
)
from tests.helpers.s3_server import CannotStartError, S3Server, s3_server

pytestmark = pytest.mark.s3
PATIENT = Retries(attempts=200, first_seconds=0.01, longest_seconds=0.05)
"""On a loaded machine, requests fail for want of an answer in time without any fault."""
HASTY = Retries(attempts=4, first_seconds=0.01, longest_seconds=0.05)
SILENCE, STALL = 0.5, 0.7
FAULTS = [
    Fault(kind, after)
    for kind in KINDS
    for after in (False, True)
    if after or kind not in ("truncated", "shortened")
]
PART = 5 * 2**20  # stores take no smaller part
BIG = os.urandom(PART + 12_345)


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    """Two parts and two ranges in an object that goes through a loaded machine in a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_writes, "PART_BYTES", PART)
        patch.setattr(s3_files, "RANGE_BYTES", PART)
        yield


@pytest.fixture(scope="module")
def proxy(s3: S3Server) -> Iterator[FaultProxy]:
    """In front of the session's server; requests count as failed after `SILENCE` seconds."""
    with pytest.MonkeyPatch.context() as patch, fault_proxy(s3.endpoint, STALL) as proxy:
        patch.setattr(s3_client, "READ_SECONDS", SILENCE)
        yield proxy


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def storage(proxy: FaultProxy, bucket: str) -> Storage:
    proxy.schedule = nothing
    url = f"s3://{bucket}/{uuid.uuid4().hex[:8]}"
    return Storage(url, S3Options(proxy.endpoint, "us-east-1"), PATIENT)


@pytest.fixture
def direct(storage: Storage) -> Storage:
    """The same place without the proxy."""
    return Storage(storage.url)


def one(fault: Fault) -> str:
    return f"{fault.kind}, {'after' if fault.after else 'before'}"


@pytest.mark.parametrize("fault", FAULTS, ids=one)
def test_every_operation(
    storage: Storage, direct: Storage, proxy: FaultProxy, fault: Fault
) -> None:
    """Each operation's first request fails, and the right thing has happened once."""
    direct.write_bytes("folder/old", b"0123456789")
    direct.write_bytes("gone", b"x")

    def through(action: Callable[[], Any]) -> Any:
        before = proxy.injected.total()
        proxy.schedule = first(1, fault)
        result = action()
        assert proxy.injected.total() == before + 1
        return result

    assert through(lambda: storage.read_bytes("folder/old")) == b"0123456789"
    assert through(lambda: storage.read_range("folder/old", 2, 3)) == b"234"
    assert through(lambda: storage.read_range("folder/old", 8, 99)) == b"89"
    assert through(lambda: storage.size("folder/old")) == 10
    assert through(lambda: storage.exists("folder/old"))
    assert not through(lambda: storage.exists("nothing"))
    assert through(lambda: storage.list("folder")) == ["old"]
    assert through(storage.sizes) == {"folder/old": 10, "gone": 1}
    through(lambda: storage.write_bytes("new", b"new"))
    assert direct.read_bytes("new") == b"new"
    through(lambda: storage.remove("gone"))
    assert not direct.exists("gone")
    version = through(lambda: storage.create("lease", b"mine"))
    assert direct.read_version("lease") == (b"mine", version)
    assert through(lambda: storage.create("lease", b"theirs")) is None
    newer = through(lambda: storage.replace("lease", b"mine 2", version))
    assert direct.read_version("lease") == (b"mine 2", newer)
    assert through(lambda: storage.replace("lease", b"theirs", version)) is None
    assert not through(lambda: storage.delete_if("lease", version))
    assert direct.read_bytes("lease") == b"mine 2"
    assert through(lambda: storage.delete_if("lease", newer))
    assert not direct.exists("lease")
    through(lambda: storage.remove_folder("folder"))
    assert direct.sizes() == {"new": 3}


@pytest.mark.parametrize("fault", FAULTS, ids=one)
@pytest.mark.parametrize(
    ("method", "part"),
    [("POST", "?uploads"), ("PUT", "partNumber"), ("POST", "uploadId"), ("GET", "")],
    ids=["begin", "part", "complete", "read"],
)
def test_large_objects(
    storage: Storage, direct: Storage, proxy: FaultProxy, fault: Fault, method: str, part: str
) -> None:
    before = proxy.injected.total()
    proxy.schedule = first(1, fault, method, part)
    storage.write_bytes("big", BIG)
    assert storage.read_bytes("big") == BIG
    assert proxy.injected.total() == before + 1
    assert direct.read_bytes("big") == BIG


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_pass_ends_with_a_clear_error(
    storage: Storage, direct: Storage, proxy: FaultProxy, kind: Any
) -> None:
    direct.write_bytes("f", b"0123456789")
    hasty = Storage(storage.url, storage.options, HASTY)
    tried, before = f"tried {HASTY.attempts} times", proxy.injected.total()
    proxy.schedule = lambda _: Fault(kind, after=False)
    with pytest.raises(GaveUpError, match=rf"s3://.*/f: reading: {tried} in \d"):
        hasty.read_bytes("f")
    assert proxy.injected.total() == before + HASTY.attempts
    if kind not in ("truncated", "shortened"):  # those have been carried out
        with pytest.raises(GaveUpError, match=rf"/g: put_object: {tried} in \d"):
            hasty.write_bytes("g", b"x")
        assert proxy.injected.total() == before + 2 * HASTY.attempts
    proxy.schedule = nothing
    assert hasty.read_bytes("f") == b"0123456789"


@pytest.mark.parametrize("seed", range(3))
def test_conditional_writes_under_random_faults_are_exact(
    storage: Storage, proxy: FaultProxy, seed: int
) -> None:
    """Writers append their names to one file, and each name is there once.

    A third of all requests is disturbed. As leases do, a writer whose write seems refused looks
    whether its name is there: its answer may have been lost, and the file replaced since.
    """
    storage.create("names", b"")
    proxy.schedule = at_random(seed, 0.33, [kind for kind in KINDS if kind != "stall"])
    names = [[f"{writer}.{turn}" for turn in range(8)] for writer in range(3)]
    told: list[str] = []

    def write(name: str) -> None:
        while True:
            data, version = storage.read_version("names")
            if name in data.decode().split():
                return
            if storage.replace("names", data + f" {name}".encode(), version) is not None:
                told.append(name)
                return

    def write_all(own: list[str]) -> None:
        for name in own:
            write(name)

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(write_all, names))
    proxy.schedule = nothing
    found = storage.read_bytes("names").decode().split()
    assert sorted(found) == sorted(name for own in names for name in own)
    assert set(told) <= set(found)


@pytest.fixture(scope="module")
def mortal(s3: S3Server) -> Iterator[S3Server]:
    """A server of one's own to kill; `s3` has set the credentials."""
    del s3
    try:
        with s3_server() as server:
            yield server
    except CannotStartError as error:
        pytest.skip(str(error))


def kill_when_both_are_under_way(server: S3Server) -> Callable[[Request], None]:
    """A schedule without faults: the server dies at an upload's second part and in a read's midst.

    Whichever comes first waits a moment for the other one.
    """
    seen: Counter[str] = Counter()
    lock, gone = threading.Lock(), threading.Event()

    def schedule(request: Request) -> None:
        upload = request.method == "PUT" and "partNumber=2" in request.path
        read = request.method == "GET" and request.path.endswith("/old")
        if gone.is_set() or not (upload or read):
            return
        with lock:
            seen["upload" if upload else "read"] += 1
            if seen["upload"] >= 1 and seen["read"] >= 2 and not gone.is_set():
                server.kill()
                gone.set()
        if upload or seen["read"] >= 2:  # the first range is let through
            gone.wait(10)

    return schedule


@pytest.mark.parametrize("comes_back", [True, False])
def test_the_server_is_killed(
    mortal: S3Server, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    """In mid-upload and in mid-read: it goes on when the server is back, or a clear error."""
    monkeypatch.setattr(s3_client, "READ_SECONDS", 20)
    url = f"s3://{mortal.new_bucket()}/killed"
    retries = Retries(1000, 0.05, 0.2, within_seconds=240 if comes_back else 2)
    with fault_proxy(mortal.endpoint) as proxy, ThreadPoolExecutor(2) as pool:
        storage = Storage(url, S3Options(proxy.endpoint, "us-east-1"), retries)
        direct = Storage(url, S3Options(mortal.endpoint, "us-east-1"), PATIENT)
        direct.write_bytes("old", BIG)
        direct.write_bytes("new", b"before")
        proxy.schedule = kill_when_both_are_under_way(mortal)
        uploading = pool.submit(storage.write_bytes, "new", BIG[::-1])
        reading = pool.submit(storage.read_bytes, "old")
        if not comes_back:
            for doing, place in ((uploading, "/new: "), (reading, "/old: ")):
                with pytest.raises(GaveUpError, match=place):
                    doing.result(240)
        assert mortal.process is not None
        mortal.process.wait(240)
        mortal.start()
        if comes_back:
            assert reading.result(240) == BIG
            uploading.result(240)
        assert direct.read_bytes("old") == BIG
        assert direct.read_bytes("new") == (BIG[::-1] if comes_back else b"before")
