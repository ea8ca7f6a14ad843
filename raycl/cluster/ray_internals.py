"""Every name of Ray that raycl uses although it is not public, each with its reason.

The reason is what Ray's public interface lacks. Ray may change these names at any time, so
pyproject.toml pins it to one minor version. A change of that version begins with a check of this
file; no other file needs one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

LOOPBACK_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""With this variable, every process of a cluster that is started here binds to loopback.

Ray names the variable after the two systems on which this is the default. It reads the variable
once, when it is first imported. The public interface lets only the dashboard's address be chosen.
"""

JOB_CONFIGURATION = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Environment variable with the runtime environment that `ray job submit` was given, as JSON.

The public interface tells it to a job only after the job has connected.
"""

_STATE_SECONDS = 10
"""How long an answer of Ray's State API may take. By itself Ray waits for it for half a minute."""

HELPER_ACTORS = ("datasets_stats_actor", "AutoscalingRequester", "AutoscalingCoordinator")
"""Actors that Ray starts for itself inside a job, and never ends, have names that begin so."""
HELPER_CLASSES = ("_StatsActor", "AutoscalingRequester", "_AutoscalingCoordinatorActor")
"""Classes of such actors that have no name. Nothing public tells them from a job's own actors."""


def is_confined() -> bool:
    """Whether Ray was told before its import to bind to loopback alone. Imports Ray."""
    from ray._private import ray_constants

    return not ray_constants.ENABLE_RAY_CLUSTER


def daemons() -> dict[str, int]:
    """The processes of the cluster that this one has started without which nothing goes on: pids.

    The public interface tells neither which they are nor when one of them ends.
    """
    import ray

    node = ray._private.worker._global_node
    running: dict[str, Any] = node.all_processes if node is not None else {}
    names = ("gcs_server", "raylet")
    return {name: running[name][0].process.pid for name in names if running.get(name)}


def session_folder(folder: str) -> dict[str, Any]:
    """The argument of `ray.init` that places Ray's files and sockets below `folder`.

    The public way is an environment variable, which every process started here would inherit.
    """
    return {"_temp_dir": folder}


@contextlib.contextmanager
def daemons_in_sessions() -> Iterator[None]:
    """Inside the block Ray starts each of its daemons in a session of its own.

    Else a signal to the whole group of processes, as a terminal and `timeout` send it, ends Ray
    before the sweep has saved. Workers are children of a daemon, and so in its session. The kernel
    ends the daemons with this process as before. In the public interface this is not to be had.
    """
    from ray._private import services

    popen: Any = services.ConsolePopen
    cast(Any, services).ConsolePopen = partial(popen, start_new_session=True)
    try:
        yield
    finally:
        cast(Any, services).ConsolePopen = popen


def state_of_cluster(function: str, filters: list[tuple[str, str, str]]) -> list[Any]:
    """A list from `ray.util.state`; empty where its server does not answer.

    Ray offers `ray.util.state` to developers only. Nothing else lists a job's actors and placement
    groups.
    """
    from ray.util import state

    kwargs = {
        "filters": filters,
        "limit": 10_000,
        "raise_on_missing_output": False,
        "timeout": _STATE_SECONDS,
    }
    try:
        return list(getattr(state, function)(**kwargs))
    except Exception:  # a server of its own answers, which may be down or still starting
        return []


def remove_group(identifier: str) -> None:
    """Remove the placement group with this identifier.

    In the public interface only the process that made a group can remove it, unless it has a name.
    """
    from ray._raylet import PlacementGroupID
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    remove_placement_group(PlacementGroup(PlacementGroupID(bytes.fromhex(identifier))))


def is_draining(node: str) -> bool:
    """Whether the machine with this node identifier is about to be taken away.

    The public interface tells it only to workers of Ray Train. Train itself asks as is done here.
    """
    import ray

    with contextlib.suppress(Exception):
        return node in ray._private.state.state.get_draining_nodes()
    return False


def loopback_process_group(folder: str, backend: str, seconds: int) -> Any:
    """A TorchConfig whose workers, all of one machine, listen on its loopback address alone.

    They find each other through a file in `folder`. In the public interface they can only find each
    other through a server of PyTorch, which binds to all addresses and trusts every connection.
    """
    import ray
    from ray.train.torch import TorchConfig, config

    class FileBackend(config._TorchBackend):
        """Sets up the process group as its parent class does, except for where workers meet."""

        def on_start(self, worker_group: Any, backend_config: Any) -> None:
            worker_group.execute(config._set_torch_distributed_env_vars)
            worker_group.execute(_use_loopback_interface)
            size = len(worker_group)
            group = {
                "backend": backend_config.backend,
                "world_size": size,
                # Each start gets a new file, so that workers never meet those of an earlier start.
                "init_method": f"file://{folder}/{uuid.uuid4().hex}",
                "timeout_s": backend_config.timeout_s,
            }
            join = config._setup_torch_process_group
            ray.get(
                [
                    worker_group.execute_single_async(rank, join, world_rank=rank, **group)
                    for rank in range(size)
                ]
            )

    class FileConfig(TorchConfig):
        """Has Ray use the backend above."""

        @property
        def backend_cls(self) -> Any:
            return FileBackend

    return FileConfig(backend=backend, timeout_s=seconds)


def _use_loopback_interface() -> None:
    """Have the process groups of this worker talk over the loopback interface."""
    name = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = name


def keep_bytes(key: str, value: bytes) -> None:
    """Keep a few bytes at the head of the cluster, for any process of it.

    The public interface shares an object by a reference to it, and a trial that is configured
    before the object exists has none. The other public way is an actor, which is a process.
    """
    from ray.experimental.internal_kv import _internal_kv_put

    _internal_kv_put(key, value, overwrite=True)


def kept_bytes(key: str) -> bytes:
    """What `keep_bytes` was given under this key. Raises KeyError where there is nothing."""
    from ray.experimental.internal_kv import _internal_kv_get

    found = _internal_kv_get(key)
    if found is None:
        raise KeyError(key)
    return bytes(found)


def forget_bytes(key: str) -> None:
    """Remove what `keep_bytes` was given under this key; the cluster may be gone already."""
    from ray.experimental.internal_kv import _internal_kv_del

    with contextlib.suppress(Exception):
        _internal_kv_del(key)


def kill_trial(trial: Any) -> None:
    """End the process of a Tune trial at once; nothing happens where it has none.

    In the public interface a trial stops after its next report, which may be minutes away.
    """
    import ray

    actor = trial.temporary_state.ray_actor
    if actor is not None:
        with contextlib.suppress(Exception):
            ray.kill(actor)


def keep_idle_process(controller: Any, keep: bool) -> None:
    """Let Tune keep the process of one trial that has ended, or not, with all it holds.

    `controller` is what Tune gives to its schedulers. In the public interface Tune either starts a
    process for every trial, or keeps one as long as another trial may come.
    """
    controller._tune_controller._actor_cache._may_keep_one = keep


def trial_error(trial: Any) -> Any:
    """The error that a Tune trial raised; None where it left none.

    The public interface reads a copy that Tune makes now and then, which may be out of date.
    """
    import ray

    file = trial.pickled_error_file
    return ray.cloudpickle.loads(Path(file).read_bytes()) if file else None


NO_AUTOSCALER = ""
"""Answer of `autoscaler_file` where the cluster has no other machines than those that joined."""


def autoscaler_file() -> str | None:
    """The file by which the cluster's autoscaler starts machines; None where that is not known.

    The command line of the head's monitor names it, if this process runs on the head. KubeRay runs
    its autoscaler elsewhere. The public interface tells what there is, never what there could be.
    """
    import ray

    address = str(ray.get_runtime_context().gcs_address)
    option = "--autoscaling-config="
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            words = place.read_text(errors="replace").split("\0")
            if f"--gcs-address={address}" in words and any(_is_monitor(word) for word in words):
                files = [word.removeprefix(option) for word in words if word.startswith(option)]
                return os.path.expanduser(files[0]) if files else NO_AUTOSCALER
    return None


def _is_monitor(word: str) -> bool:
    return word.endswith("monitor.py") and "autoscaler" in word
