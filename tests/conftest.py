"""Fixtures that more than one test module needs."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import pytest

from raycl.storage import Storage
from tests.helpers.gcs_server import GcsServer, gcs_server
from tests.helpers.paths import ROOT
from tests.helpers.s3_server import CannotStartError, S3Server, s3_server

# Read when Ray is first imported, which may be before the cluster below starts.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
# No hub is asked, and torch's threads do not fight over two cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
# What a shell or CI starts in the background ignores Ctrl-C, and so would all that tests start.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Ray's workers import the tests' stand-ins, and raycl itself where it is not installed.
Server = TypeVar("Server", S3Server, GcsServer)
_LONGEST = ("test_end_to_end", "test_jobs")
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
).strip(os.pathsep)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start clusters come first: two processes share the tests by file, and one that
    begins with a long file last would be waited for alone.
    """
    clusters = {item.path for item in items if item.get_closest_marker("ray")}
    items.sort(key=lambda item: (item.path not in clusters, item.path.stem not in _LONGEST))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A real local Ray with 2 CPUs, shared by the session's tests; they must leave it empty."""
    from raycl.cluster.connect import cluster
    from raycl.cluster.options import ClusterOptions

    with cluster(ClusterOptions(workers=2)):
        yield


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real S3 server for the session, which the environment names."""
    yield from served(s3_server())


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsServer]:
    """A real server of Google Cloud Storage's API, which the environment names."""
    yield from served(gcs_server())


def served(starting: AbstractContextManager[Server]) -> Iterator[Server]:
    """The server, while its block lasts; a skip says why there is none."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(starting)
        except CannotStartError as error:
            pytest.skip(str(error))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


LOCAL, S3, GCS = "local", *(pytest.param(name, marks=pytest.mark.s3) for name in ("s3", "gcs"))
NewStorage = Callable[[], Storage]


@pytest.fixture(scope="session", params=[LOCAL, S3])
def new_storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NewStorage:
    """Makes empty storages, on either side of the face, which can write on a condition."""
    return makes_storages(request, tmp_path_factory)


@pytest.fixture(scope="session", params=[LOCAL, S3, GCS])
def any_new_storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NewStorage:
    """Makes empty storages of every kind."""
    return makes_storages(request, tmp_path_factory)


def makes_storages(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NewStorage:
    """Of the kind that the fixture's parameter names."""
    if request.param == LOCAL:
        return lambda: Storage(tmp_path_factory.mktemp("storage") / "root")
    bucket = request.getfixturevalue(request.param).new_bucket()
    root = f"gs://anonymous@{bucket}" if request.param == "gcs" else f"s3://{bucket}"
    return lambda: Storage(f"{root}/{uuid.uuid4().hex[:8]}")
