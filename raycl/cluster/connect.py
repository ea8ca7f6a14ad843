"""Connects one job to a Ray cluster: to one of its own that leaves nothing behind, or another."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from raycl.cluster import scratch
from raycl.cluster.interruption import exit_as_interruption, on_signals
from raycl.cluster.machine_limits import raise_file_limit
from raycl.cluster.options import ClusterOptions
from raycl.cluster.ray_internals import (
    JOB_CONFIGURATION,
    LOOPBACK_ALONE,
    daemons_in_sessions,
    is_confined,
    session_folder,
)
from raycl.cluster.release import release_at_end
from raycl.cluster.start import SlowStartError, start_ray
from raycl.cluster.watch import watched_daemons
from raycl.errors import InputError
from raycl.storage.options import shared_variables

_DASHBOARD_SECONDS = "RAY_DASHBOARD_STARTUP_TIMEOUT_S"


@contextmanager
def cluster(options: ClusterOptions) -> Iterator[None]:
    """Connect this process to a Ray cluster for the length of the block.

    Without an address, the block starts an embedded cluster on this machine's loopback address,
    with `workers` CPUs (default: all that this process may use). Its processes and files are gone
    afterwards, however the block ends. With an address, the block joins that cluster and at its end
    releases everything that this job holds there. Where this process is connected to Ray already,
    the block uses that connection and leaves it as it is. SIGTERM and Ctrl-C raise Interruption,
    a KeyboardInterrupt, inside the block. The processes of an embedded cluster do not get what is
    sent to this process's group, so that nothing of it ends before this process has said so.

    Modules that import Ray have to be imported inside the block, because Ray reads at its first
    import the variable that confines an embedded cluster to this machine. Raises InputError where
    Ray was imported without this variable.
    """
    if _is_connected():  # the code that made the connection also ends it
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(on_signals())
        if options.address is None:  # all that it holds ends with it
            stack.enter_context(_embedded(options))
        else:
            stack.enter_context(_connected(options.address, dict(options.variables)))
            stack.push(release_at_end)
        stack.enter_context(on_signals())  # once more: Ray has set a handler of SIGTERM that exits
        yield


def _is_connected() -> bool:
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


@contextmanager
def _embedded(options: ClusterOptions) -> Iterator[None]:
    scratch.remove_folders_of_the_dead()
    raise_file_limit()
    with ExitStack() as stack:
        try:
            stack.enter_context(_started(options))
        except SlowStartError:
            print("Ray did not come up in its time. Once more …", file=sys.stderr, flush=True)
            stack.enter_context(_started(options))
        yield


@contextmanager
def _started(options: ClusterOptions) -> Iterator[None]:
    port, folder = free_port(), scratch.make_folder()
    with _environment(dict(options.variables) | _variables(port, folder)):
        import ray

        try:
            _check_confined()
            _start(folder, options)
            with watched_daemons(folder):
                yield
        finally:
            ray.shutdown()
            scratch.remove(folder)


def _start(folder: str, options: ClusterOptions) -> None:
    try:
        with daemons_in_sessions(), exit_as_interruption():
            start_ray(
                folder,
                address="local",
                num_cpus=options.workers or len(os.sched_getaffinity(0)),
                num_gpus=None if options.gpus else 0,
                include_dashboard=True,  # Train's placement-group cleaner asks its State API
                dashboard_host="127.0.0.1",
                dashboard_port=free_port(),
                logging_level=logging.ERROR,
                log_to_driver=False,
                **session_folder(folder),
            )
    except (SlowStartError, KeyboardInterrupt):
        scratch.end_processes(folder)  # Ray itself ends them only with this process
        raise


def _variables(port: int, folder: str) -> dict[str, str]:
    """The environment variables that daemons and workers of an embedded cluster inherit."""
    return {
        **LOOPBACK_ALONE,
        "RAY_USAGE_STATS_ENABLED": "0",
        # Without it, Train's placement-group cleaner could ask another Ray instance on this
        # machine, or find none.
        "RAY_ADDRESS": f"127.0.0.1:{port}",
        "RAY_GCS_SERVER_PORT": str(port),
        # Ray's own 60 s are too few for a machine that is busy with other things.
        _DASHBOARD_SECONDS: os.environ.get(_DASHBOARD_SECONDS, "120"),
        # Workers put their scratch files there too, so that a kill leaves one folder to remove.
        "TMPDIR": folder,
    }


def _check_confined() -> None:
    if not is_confined():
        (name,) = LOOPBACK_ALONE
        raise InputError(
            "Ray in this process",
            "it was imported before raycl could confine it to this machine",
            f"Set {name}=0 before Python starts, or import Ray later",
        )


@contextmanager
def _connected(address: str, variables: Mapping[str, str]) -> Iterator[None]:
    if address == "auto":
        # This variable names the cluster on which a job runs. Ray's own search for "auto" could
        # find another cluster on the machine.
        address = os.environ.get("RAY_ADDRESS", address)
    with _environment({"RAY_ADDRESS": address}):
        import ray

        with exit_as_interruption():
            ray.init(
                address=address,
                logging_level=logging.ERROR,
                log_to_driver=False,
                runtime_env=worker_environment(address, variables),
            )
        try:
            yield
        finally:
            ray.shutdown()


def worker_environment(
    address: str, given: Mapping[str, str] | None = None
) -> dict[str, Any] | None:
    """The runtime environment of this job's workers: addresses of cluster and store, and `given`.

    Credentials are not in it: each machine has its own. Variables that `ray job submit` was given
    are left out, because Ray refuses a variable that is given twice, even with one value.
    """
    variables = {**shared_variables(), **(given or {})}
    if ":" in address:
        variables["RAY_ADDRESS"] = address
    job = json.loads(os.environ.get(JOB_CONFIGURATION, "{}"))
    told = (job.get("runtime_env") or {}).get("env_vars") or {}
    variables = {name: value for name, value in variables.items() if name not in told}
    return {"env_vars": variables} if variables else None


def free_port() -> int:
    """A TCP port of the loopback address on which no process listens."""
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
