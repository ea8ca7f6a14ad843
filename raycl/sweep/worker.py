"""The code that trains a node, in its Tune trial or in each worker of a TorchTrainer."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from raycl.cluster.ray_internals import is_confined, loopback_process_group, trial_queue
from raycl.data.ray_stream import Batches, rank_batches
from raycl.plan.training import Training
from raycl.storage import Storage

Report = Callable[[dict[str, Any]], None]
Asked = Callable[[], bool]
Train = Callable[[Training, Storage, Batches, Report, Asked], Any]
"""The training loop `raycl.train.loop.train`, or a stand-in for it in tests."""

REPORT_SECONDS = 1.0
"""Seconds between two reports of metrics; metrics of a validation are always reported."""
WORKER_START_SECONDS = 24 * 3600
"""How long a worker group waits for its resources: the cluster may be busy, or still growing."""
PROCESS_GROUP_SECONDS = 1800
RESIZE_SECONDS = float(os.environ.get("RAYCL_RESIZE_SECONDS", "60"))
"""Seconds between two checks whether elastic workers may become more. The checks are rare, because
each change of the number restarts the workers."""
ELASTIC_START_SECONDS = float(os.environ.get("RAYCL_ELASTIC_START_SECONDS", "120"))


def train_in_trial(
    training: Training, storage: Storage, report: Report, train: Train | None = None
) -> None:
    """Train a node of one worker in the process of its trial."""
    from raycl.sweep.preemption import is_preempted

    _run_loop(training, storage, _Rank(0, 1, report, is_preempted()), train)


def train_with_workers(
    training: Training, storage: Storage, gpus: bool, train: Train | None = None
) -> None:
    """Train a node of several workers from inside its Tune trial, with one TorchTrainer.

    Raises the workers' error; Tune then decides whether the trial runs again.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    # Train takes these two from the environment alone. It notices the end of a node at its next
    # health check, half an interval later on average. Its own interval is 2 s.
    os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(_start_seconds(training))
    os.environ["RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"] = "0.5"
    # Only rank 0 reports, through a queue straight to the trial.
    config = {"training": training, "storage": storage, "queue": trial_queue(), "train": train}
    with tempfile.TemporaryDirectory(prefix="raycl-train-") as scratch:
        TorchTrainer(
            train_worker,
            train_loop_config=config,
            scaling_config=ScalingConfig(**_scaling(training, gpus)),
            torch_config=_process_group("nccl" if gpus else "gloo", scratch),
            # Train retries preemptions, without a limit. Tune retries failures, up to its limit.
            run_config=RunConfig(
                storage_path=scratch, failure_config=FailureConfig(max_failures=0)
            ),
        ).fit()


def _process_group(backend: str, scratch: str) -> Any:
    """The configuration with which the workers of a node find each other.

    On a cluster of this machine alone they listen on no other address than loopback.
    """
    if is_confined():
        return loopback_process_group(scratch, backend, PROCESS_GROUP_SECONDS)
    from ray.train.torch import TorchConfig

    return TorchConfig(backend=backend, timeout_s=PROCESS_GROUP_SECONDS)


def train_worker(config: dict[str, Any]) -> None:
    """Train in one worker of a TorchTrainer, which has set up the process group already."""
    import ray.train

    from raycl.sweep.preemption import is_preempted

    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    worker = _Rank(rank, world, config["queue"].put, is_preempted())
    _run_loop(config["training"], config["storage"], worker, config["train"])


@dataclass(frozen=True)
class _Rank:
    """One of the workers of a node."""

    number: int
    world: int
    """How many workers the node has."""
    report: Report
    asked: Asked
    """Whether the worker should save and end, because its machine is about to be taken away."""


def _start_seconds(training: Training) -> float:
    if training.fewest_workers in (None, training.workers):
        return WORKER_START_SECONDS
    # Train also counts a machine that is being drained, although no worker starts there any more.
    # So it has to give up on that number of workers soon, and count again.
    return ELASTIC_START_SECONDS


def _scaling(training: Training, gpus: bool) -> dict[str, Any]:
    """Arguments of a ScalingConfig; a pair as `num_workers` makes the trainer elastic."""
    most = training.workers
    fewest = training.fewest_workers or most
    return {
        "num_workers": most if fewest == most else (fewest, most),
        "elastic_resize_monitor_interval_s": RESIZE_SECONDS,
        "use_gpu": gpus,
        "resources_per_worker": worker_resources(gpus),
    }


def worker_resources(gpus: bool) -> dict[str, float]:
    """The resources that one worker asks the cluster for."""
    return {"CPU": 1, "GPU": 1} if gpus else {"CPU": 1}


def _run_loop(training: Training, storage: Storage, rank: _Rank, train: Train | None) -> None:
    train = train or _default_train()
    stream: list[Iterator[np.ndarray]] = []

    def batches(first_step: int) -> Iterator[np.ndarray]:
        # Workers that hold parts of the same matrices read the same rows.
        peers = training.execution.tensor_parallel
        reader, readers = rank.number // peers, rank.world // peers
        # Kept in a list, so that it can be closed however the loop ends.
        stream.append(rank_batches(training, storage, reader, readers)(first_step))
        return stream[-1]

    try:
        train(training, storage, batches, sparse(rank.report), rank.asked)
    finally:
        # The process goes on to train the next node, but the read-ahead must end with this one.
        for iterator in stream:
            if isinstance(iterator, Generator):
                iterator.close()


def _default_train() -> Train:
    import torch

    from raycl.train.loop import train

    torch.set_num_threads(1)  # `worker_resources` asks for one CPU a worker
    return train


def sparse(report: Report, seconds: float = REPORT_SECONDS) -> Report:
    """A function that passes metrics on to `report` at most once in `seconds`.

    Each call of `report` waits for Tune. Metrics of a validation are always passed on.
    """
    last = -float("inf")

    def limited(metrics: dict[str, Any]) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < seconds and not any(key.startswith("validation/") for key in metrics):
            return
        last = now
        # Tune's own name for the number of steps done, which its loggers use.
        report({**metrics, "timesteps_total": int(metrics.get("step", -1)) + 1})

    return limited
