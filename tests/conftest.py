"""Fixtures that more than one test module needs."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from s3_server import CannotStartError, S3Server, s3_server

from raycl.storage import Storage

# Read when Ray is first imported, which may be before the cluster below starts.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
# No hub is asked, and torch's threads do not fight over two cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray's workers import the tests' stand-ins, and raycl itself where it is not installed.
_TESTS = Path(__file__).parent
_LONGEST = ("test_end_to_end", "test_jobs")
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(_TESTS.parent), str(_TESTS), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
).strip(os.pathsep)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start clusters come first: two processes share the tests by file, and one that
    begins with a long file last would be waited for alone."""
    clusters = {item.path for item in items if item.get_closest_marker("ray")}
    items.sort(key=lambda item: (item.path not in clusters, item.path.stem not in _LONGEST))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A real local Ray with 2 CPUs, shared by the session's tests; they must leave it empty."""
    from raycl.cluster import cluster

    with cluster(None, 2):
        yield


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real S3 server for the session, which the environment names."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(s3_server())
        except CannotStartError as error:
            pytest.skip(str(error))
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(scope="session", params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def new_storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[], Storage]:
    """Makes empty storages, on either side of the face."""
    if request.param == "local":
        return lambda: Storage(tmp_path_factory.mktemp("storage") / "root")
    bucket = request.getfixturevalue("s3").new_bucket()
    return lambda: Storage(f"s3://{bucket}/{uuid.uuid4().hex[:8]}")
