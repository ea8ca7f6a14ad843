"""Fixtures that more than one test module needs."""

from __future__ import annotations

import json
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from raycl.storage import Storage
from raycl.storage.retries import Retries
from tests.helpers.gcs_server import GcsServer, gcs_server
from tests.helpers.heads import Head, start_head
from tests.helpers.markers import only_if_marked
from tests.helpers.orphans import Orphans
from tests.helpers.paths import ROOT
from tests.helpers.s3_server import CannotStartError, S3Server, s3_server
from tests.helpers.wheel import build_sdist, build_wheel

# Read when Ray is first imported, which may be before the cluster below starts.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
# No test asks Hugging Face's hub, and torch's threads do not fight over two cores.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")
# A shell or CI makes what it starts in the background ignore Ctrl-C; children inherit that.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Ray's workers import the tests' stand-ins, and raycl itself where it is not installed.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
).strip(os.pathsep)

# A loaded machine takes its time for an example.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

Server = TypeVar("Server", S3Server, GcsServer)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first.

    The processes share the tests by file, and one that began with a long file last would be waited
    for alone. tests/durations.json has the seconds of each file; one that is not in it counts as
    short.
    """
    seconds = json.loads((ROOT / "tests/durations.json").read_text(encoding="utf-8"))

    def order(item: pytest.Item) -> float:
        return -float(seconds.get(item.path.relative_to(ROOT).as_posix(), 0))

    items.sort(key=order)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Let only marked tests start Ray or a server in their fixtures."""
    with only_if_marked(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Let only marked tests start Ray or a server."""
    with only_if_marked(item):
        return (yield)


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raycl's sdist."""
    return build_sdist(tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Raycl's wheel, built from its sdist."""
    return build_wheel(sdist, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A real local Ray with 2 CPUs, shared by the session's tests; they must leave it empty."""
    from raycl.cluster.connect import cluster
    from raycl.cluster.options import ClusterOptions

    with cluster(ClusterOptions(workers=2)):
        yield


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """A real head for a module's tests: it takes as long to start and end as a job to run."""
    with start_head("--num-cpus=2") as started:
        yield started


@pytest.fixture(scope="session")
def orphans() -> Iterator[list[Orphans]]:
    """What was left by drivers that a test killed, which must be gone when all tests have run.

    Ray's agents notice the death of their node after about two minutes, for which no test waits.
    """
    left: list[Orphans] = []
    yield left
    for orphan in left:
        orphan.assert_gone()


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A real S3 server for the session, which the environment names."""
    yield from served(s3_server())


@pytest.fixture(scope="session")
def gcs() -> Iterator[GcsServer]:
    """A real server of Google Cloud Storage's API, which the environment names."""
    yield from served(gcs_server())


def served(starting: AbstractContextManager[Server]) -> Iterator[Server]:
    """Yield the server while its block lasts; where it cannot start, skip the test and say why."""
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
    """A function that makes empty storages, local and on S3, which both write on a condition."""
    return makes_storages(request, tmp_path_factory)


@pytest.fixture(scope="session", params=[LOCAL, S3, GCS])
def any_new_storage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NewStorage:
    """A function that makes empty storages: local, on S3, on Google Cloud Storage."""
    return makes_storages(request, tmp_path_factory)


def makes_storages(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> NewStorage:
    """Make storages of the kind that the fixture's parameter names."""
    if request.param == LOCAL:
        return lambda: Storage(tmp_path_factory.mktemp("storage") / "root")
    bucket = request.getfixturevalue(request.param).new_bucket()
    root = f"gs://anonymous@{bucket}" if request.param == "gcs" else f"s3://{bucket}"
    # Of many who race, most are told to come again, and need not wait long.
    retries = Retries(attempts=60, first_seconds=0.01, longest_seconds=0.1)
    return lambda: Storage(f"{root}/{uuid.uuid4().hex[:8]}", retries=retries)
