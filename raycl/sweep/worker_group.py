"""Worker groups that live through several nodes, because to start one takes many seconds.

A group is a TorchTrainer that runs in a thread of a Tune trial's process. Tune reuses that process
for one trial after another, and a trial hands its node to the group that the one before has left.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from raycl.cluster.ray_internals import is_confined, loopback_process_group
from raycl.cluster.worker_needs import WorkerNeeds
from raycl.sweep.orders import News, Order, Orders

WORKER_START_SECONDS = 24 * 3600
"""How long a worker group waits for its resources: the cluster may be busy, or still growing."""
PROCESS_GROUP_SECONDS = 1800
RESIZE_SECONDS = float(os.environ.get("RAYCL_RESIZE_SECONDS", "60"))
"""Seconds between two checks whether elastic workers may become more. The checks are rare, because
each change of the number restarts the workers."""
ELASTIC_START_SECONDS = float(os.environ.get("RAYCL_ELASTIC_START_SECONDS", "120"))
ROOM_SECONDS = 60.0
"""How long a node waits for a place in the cluster before that is said."""
WAITING = "waiting"
"""Metric with which a trial says that none of its workers has started yet."""
IDLE_SECONDS = 2.0
"""How long a group without a node keeps its resources, which others may wait for."""


@dataclass(frozen=True)
class GroupSize:
    """What a worker group asks of the cluster. It trains nodes of its own size alone."""

    workers: int
    fewest: int
    """Differs from `workers` where the group is elastic."""
    needs: WorkerNeeds

    @property
    def is_elastic(self) -> bool:
        """Whether the number of workers may change while the group lives."""
        return self.fewest != self.workers


class WorkerGroup:
    """The workers of one TorchTrainer, which train the nodes that they are given."""

    def __init__(self, size: GroupSize, work: Callable[[dict[str, Any]], None]) -> None:
        """Start the workers; `work` runs in each of them, with the group's orders."""
        self.size = size
        self._work = work
        self._orders = _actor_of_this_machine(Orders).remote()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._fit, name="raycl-worker-group", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether its workers have neither failed nor ended."""
        return self._thread.is_alive()

    def train(
        self,
        order: Order,
        report: Callable[[dict[str, Any]], None],
        tell: Callable[[Callable[[bool], None]], None] = lambda _: None,
    ) -> News:
        """Train one node; the last news of it. `tell` gets what is to hear whether to leave it.

        Raises what the workers raised, after which the group has ended.
        """
        import ray

        told = False
        number = ray.get(self._orders.give.remote(order))
        tell(partial(self._orders.leave.remote, number))
        while True:
            news: News = ray.get(self._orders.news.remote(ROOM_SECONDS))
            for metrics in news.metrics:
                report(metrics)
            if news.finished:
                return news
            if news.ended:
                ray.kill(self._orders)
                raise self._error or RuntimeError("the workers ended before their node was trained")
            if news.waiting and not told:
                report({WAITING: True})
                told = True

    def end(self) -> None:
        """Let the workers end, and return when they have given their resources back."""
        import ray

        with contextlib.suppress(ray.exceptions.RayActorError):
            ray.get(self._orders.close.remote())
        self._thread.join()
        ray.kill(self._orders)

    def abandon(self) -> None:
        """Do not wait for workers that have not started; where they do later, they end at once."""
        self._orders.close.remote()

    def _fit(self) -> None:
        import ray

        try:
            with tempfile.TemporaryDirectory(prefix="raycl-train-") as scratch:
                self._trainer(scratch).fit()
        except BaseException as error:  # raised by the thread that gave the order
            self._error = error
        finally:
            with contextlib.suppress(ray.exceptions.RayActorError):
                ray.get(self._orders.end.remote())

    def _trainer(self, scratch: str) -> Any:
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        # Train takes these from the environment alone. It notices a dead worker at its next health
        # check, by itself every 2 s. It must learn of a machine that is to be taken away before the
        # workers, who ask once a second, save and leave: else it takes that for a failure.
        os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(_start_seconds(self.size))
        os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.5"
        os.environ["RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S"] = "0.5"
        return TorchTrainer(
            self._work,
            train_loop_config={"orders": self._orders},
            scaling_config=ScalingConfig(**_scaling(self.size)),
            torch_config=_process_group("nccl" if self.size.needs.gpus else "gloo", scratch),
            # Train retries preemptions, without a limit. Tune retries failures, up to its limit.
            run_config=RunConfig(
                storage_path=scratch, failure_config=FailureConfig(max_failures=0)
            ),
        )


def _actor_of_this_machine(kind: type) -> Any:
    """An actor that needs no CPU, on the machine of this process: a spot machine could be lost."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    remote: Any = ray.remote  # its types know only some of its arguments
    return remote(num_cpus=0, scheduling_strategy=here)(kind)


def _process_group(backend: str, scratch: str) -> Any:
    """The configuration with which the workers of a group find each other.

    On a cluster of this machine alone they listen on no other address than loopback.
    """
    if is_confined():
        return loopback_process_group(scratch, backend, PROCESS_GROUP_SECONDS)
    from ray.train.torch import TorchConfig

    return TorchConfig(backend=backend, timeout_s=PROCESS_GROUP_SECONDS)


def _start_seconds(size: GroupSize) -> float:
    # Train also counts a machine that is being drained, although no worker starts there any more.
    # So it has to give up on that number of workers soon, and count again.
    return ELASTIC_START_SECONDS if size.is_elastic else WORKER_START_SECONDS


def _scaling(size: GroupSize) -> dict[str, Any]:
    """Arguments of a ScalingConfig; a pair as `num_workers` makes the trainer elastic."""
    return {
        "num_workers": (size.fewest, size.workers) if size.is_elastic else size.workers,
        "elastic_resize_monitor_interval_s": RESIZE_SECONDS,
        "use_gpu": size.needs.gpus,
        "resources_per_worker": size.needs.resources(),
        # On as few machines as have room now. Train numbers the workers machine by machine, and
        # those of one machine by their GPUs, so that neighbours in rank share a machine.
        "placement_strategy": "PACK",
    }


class KeptGroup:
    """The group that a trial's process keeps between two nodes, at most one and not for long.

    Whoever waits for its resources must get them, so it ends after IDLE_SECONDS without a node.
    """

    def __init__(self, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._group: WorkerGroup | None = None
        self._timer: threading.Timer | None = None

    def take(self, size: GroupSize) -> WorkerGroup | None:
        """The group that is kept, where it has this size and still runs; any other ends here."""
        with self._lock:
            group, self._group = self._group, None
            if self._timer is not None:
                self._timer.cancel()
        if group is None or (group.size == size and group.is_running):
            return group
        group.end()
        return None

    def keep(self, group: WorkerGroup) -> None:
        """Keep a group that has trained its node, for the node that comes next."""
        with self._lock:
            self._group = group
            self._timer = threading.Timer(self._idle_seconds, self._end, [group])
            self._timer.daemon = True
            self._timer.start()

    def _end(self, group: WorkerGroup) -> None:
        with self._lock:
            if self._group is not group:  # a node came at the last moment
                return
            self._group = None
        group.end()
