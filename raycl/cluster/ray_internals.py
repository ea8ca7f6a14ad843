"""All that raycl uses of Ray without Ray's promise to keep it, each with what is missing in public.

Ray is pinned to one minor version in pyproject.toml. Whoever raises it looks through this file
first, and through nothing else.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from pathlib import Path
from typing import Any

LOOPBACK_ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Everything of a cluster that this process starts binds to the loopback address.

Named after the two systems on which it is the default, and read once, when Ray is first imported.
In public only the dashboard's address can be chosen.
"""

JOB_CONFIGURATION = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Environment variable with the runtime environment that `ray job submit` was given, as JSON.

In public a job cannot ask for it before it has connected.
"""

HELPER_ACTORS = ("datasets_stats_actor", "AutoscalingRequester", "AutoscalingCoordinator")
"""How the names of the actors begin that Ray starts for itself inside a job and never ends."""
HELPER_CLASSES = ("_StatsActor", "AutoscalingRequester", "_AutoscalingCoordinatorActor")
"""Classes of such actors, where they have no name. Nothing in public tells them from a job's."""


def is_confined() -> bool:
    """Whether Ray, which is imported by this, was told in time to bind to loopback alone."""
    from ray._private import ray_constants

    return not ray_constants.ENABLE_RAY_CLUSTER


def session_folder(folder: str) -> dict[str, Any]:
    """The argument of `ray.init` that places Ray's files and sockets.

    In public only an environment variable does, which every process on the way would inherit.
    """
    return {"_temp_dir": folder}


def state_of_cluster(function: str, filters: list[tuple[str, str, str]]) -> list[Any]:
    """What `ray.util.state` lists; empty where it does not answer.

    It is public, but for developers, and the only list of a job's actors and placement groups.
    """
    from ray.util import state

    kwargs = {"filters": filters, "limit": 10_000, "raise_on_missing_output": False}
    try:
        return list(getattr(state, function)(**kwargs))
    except Exception:  # it is a server of its own, which may be down or starting
        return []


def remove_placement_group(identifier: str) -> None:
    """Remove the placement group with this identifier.

    In public only whoever has made a group can remove it, or a group that has a name.
    """
    from ray._raylet import PlacementGroupID
    from ray.util import placement_group

    group = placement_group.PlacementGroup(PlacementGroupID(bytes.fromhex(identifier)))
    placement_group.remove_placement_group(group)


def is_draining(node: str) -> bool:
    """Whether the machine with this node identifier is about to be taken away.

    In public only workers of Ray Train can ask; Train's own watcher asks like this.
    """
    import ray

    with contextlib.suppress(Exception):
        return node in ray._private.state.state.get_draining_nodes()
    return False


def trial_queue() -> Any:
    """The queue by which one worker of a TorchTrainer reports to the Tune trial that started it.

    In public every rank has to report, and waits for the others to do so.
    """
    from ray.tune.integration.ray_train import TuneReportCallback

    make: Any = TuneReportCallback  # has no types
    return make()._training_actor_item_queue


def loopback_process_group(folder: str, backend: str, seconds: int) -> Any:
    """A TorchConfig whose workers, all of one machine, listen on its loopback address alone.

    They meet by a file in `folder`. In public they can only meet at a server of PyTorch's, which
    binds to all addresses and believes whoever connects to it.
    """
    import ray
    from ray.train.torch import TorchConfig, config

    class FileBackend(config._TorchBackend):
        """Sets up the process group as its parent class does, but for where workers meet."""

        def on_start(self, worker_group: Any, backend_config: Any) -> None:
            worker_group.execute(config._set_torch_distributed_env_vars)
            worker_group.execute(_use_loopback_interface)
            size = len(worker_group)
            group = {
                "backend": backend_config.backend,
                "world_size": size,
                # Another file for each start: the workers of an earlier one must not be met.
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
        """Names the backend above."""

        @property
        def backend_cls(self) -> Any:
            return FileBackend

    return FileConfig(backend=backend, timeout_s=seconds)


def _use_loopback_interface() -> None:
    """Have the process groups of this worker talk over the loopback interface."""
    name = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    os.environ["GLOO_SOCKET_IFNAME"] = os.environ["NCCL_SOCKET_IFNAME"] = name


def kill_trial(trial: Any) -> None:
    """End the process of a Tune trial at once; nothing happens where it has none.

    In public a trial is stopped after its next report, which may be minutes away.
    """
    import ray

    actor = trial.temporary_state.ray_actor
    if actor is not None:
        with contextlib.suppress(Exception):
            ray.kill(actor)


def trial_error(trial: Any) -> Any:
    """What a Tune trial raised; None where it left nothing.

    In public Tune reads the copy that it makes now and then, which may be an older one.
    """
    import ray

    file = trial.pickled_error_file
    return ray.cloudpickle.loads(Path(file).read_bytes()) if file else None
