"""A Ray cluster for one job: an embedded one that leaves nothing behind, or somebody else's."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from raycl.storage.options import shared_variables

_FOLDER_PREFIX = "raycl-"
_RELEASE_SECONDS = 20.0

_ENVIRONMENT = {
    # Ray's name for "this machine alone": everything binds to the loopback address. It has to
    # be there before Ray is imported.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}


@contextmanager
def cluster(address: str | None, workers: int | None, gpus: bool = False) -> Iterator[None]:
    """Ray for the length of the block.

    Without an address an embedded cluster on this machine's loopback address, with `workers` CPUs
    (default: all that this process may use), its processes and files gone afterwards however the
    block ends. With an address, that cluster: what this job holds there is released at the end.
    Where this process has started or joined Ray before, that one, left as it is.
    SIGTERM raises KeyboardInterrupt inside the block, as Ctrl-C does.
    """
    if _is_connected():
        yield
        return
    with ExitStack() as stack:
        if address is None:
            stack.enter_context(_embedded(workers, gpus))
        else:
            stack.enter_context(_connected(address))
        stack.enter_context(_terminate_like_interrupt())
        stack.callback(release_everything)
        yield


def _is_connected() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


@contextmanager
def _embedded(workers: int | None, gpus: bool) -> Iterator[None]:
    _remove_folders_of_the_dead()
    port = free_port()
    # The daemons and workers inherit it: with several Ray instances on a machine, Train's
    # placement-group cleaner would otherwise ask the wrong one, or none.
    address = {"RAY_ADDRESS": f"127.0.0.1:{port}", "RAY_GCS_SERVER_PORT": str(port)}
    # Short: Ray's sockets lie below it, and a socket's path may have 107 characters.
    folder = tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-", dir="/tmp")
    # Scratch files of the workers lie there too, so that a kill leaves one folder to remove.
    with _environment({**_ENVIRONMENT, **address, "TMPDIR": folder}):
        import ray

        try:
            ray.init(
                address="local",
                num_cpus=workers or len(os.sched_getaffinity(0)),
                num_gpus=None if gpus else 0,
                include_dashboard=True,  # Train's cleaner asks its State API
                dashboard_host="127.0.0.1",
                dashboard_port=free_port(),
                logging_level=logging.ERROR,
                log_to_driver=False,
                _temp_dir=folder,
            )
            yield
        finally:
            ray.shutdown()
            _remove(folder)


@contextmanager
def _connected(address: str) -> Iterator[None]:
    if address == "auto":
        # A job's own cluster is named here; looking for one could find another on the machine.
        address = os.environ.get("RAY_ADDRESS", address)
    with _environment({"RAY_ADDRESS": address}):
        import ray

        ray.init(
            address=address,
            logging_level=logging.ERROR,
            log_to_driver=False,
            runtime_env=worker_environment(address),
        )
        try:
            yield
        finally:
            ray.shutdown()


def worker_environment(address: str) -> dict[str, Any] | None:
    """The runtime environment of this job's workers: the cluster's address, the S3 store's.

    Credentials are each machine's own. Ray refuses to be told a variable twice, even alike, so
    those that `ray job submit` was given are left out.
    """
    variables = shared_variables()
    if ":" in address:
        variables["RAY_ADDRESS"] = address
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    told = (job.get("runtime_env") or {}).get("env_vars") or {}
    variables = {name: value for name, value in variables.items() if name not in told}
    return {"env_vars": variables} if variables else None


def release_everything(timeout: float = _RELEASE_SECONDS) -> None:
    """Remove this job's placement groups and wait until its actors are gone.

    Stopping a Tune trial leaves the groups and actors of a TorchTrainer inside it (ray 54305).
    """
    import ray

    if not ray.is_initialized():
        return
    deadline = time.monotonic() + timeout
    while True:
        remove_placement_groups()
        actors = living_actors()
        if not actors or time.monotonic() > deadline:
            return
        time.sleep(0.2)


def remove_placement_groups() -> None:
    """Remove the placement groups that this job created and that are left."""
    from ray._raylet import PlacementGroupID
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    for identifier in held_placement_groups():
        remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(identifier))))


def held_placement_groups() -> list[str]:
    """Identifiers of this job's placement groups that hold or wait for resources."""
    return [
        group.placement_group_id
        for group in _state("list_placement_groups", [("creator_job_id", "=", _job_id())])
        if group.state != "REMOVED"
    ]


def living_actors() -> list[str]:
    """Class names of this job's actors, Ray's own long-lived helpers aside."""
    return [
        actor.class_name
        for actor in _state("list_actors", [("job_id", "=", _job_id()), ("state", "!=", "DEAD")])
        if not (actor.name or "").startswith(_HELPERS) and actor.class_name not in _HELPER_CLASSES
    ]


_HELPERS = ("datasets_stats_actor", "AutoscalingRequester", "AutoscalingCoordinator")
_HELPER_CLASSES = ("_StatsActor", "AutoscalingRequester", "_AutoscalingCoordinatorActor")


def _state(function: str, filters: list[tuple[str, str, str]]) -> list[Any]:
    from ray.util import state

    kwargs = {"filters": filters, "limit": 10_000, "raise_on_missing_output": False}
    try:
        return list(getattr(state, function)(**kwargs))
    except Exception:  # the State API is a server of its own, which may be down or starting
        return []


def _job_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_job_id())


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _terminate_like_interrupt() -> Iterator[None]:
    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _remove_folders_of_the_dead() -> None:
    for folder in Path("/tmp").glob(f"{_FOLDER_PREFIX}*-*"):
        owner = folder.name.removeprefix(_FOLDER_PREFIX).partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _remove(folder: str) -> None:
    for _ in range(20):  # the daemons write their last lines after shutdown has returned
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.1)
