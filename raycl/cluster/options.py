"""The options that say which Ray cluster a command uses, and how much of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from raycl.cluster.queue_options import QueueOptions
from raycl.cluster.worker_needs import WorkerNeeds
from raycl.errors import InputError
from raycl.plan.execution import Device

_ACCELERATOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ClusterOptions:
    """The cluster of one command. The default is an embedded one with all CPUs of this machine."""

    address: str | None = None
    """Address of a running cluster; None: an embedded one that lives as long as the command."""
    workers: int | None = None
    """Number of CPUs of an embedded cluster; None: all that this process may use."""
    concurrent: int | None = None
    """The most nodes of a sweep that are trained at once; None: as many as the cluster can hold."""
    gpus: bool = False
    """Whether each worker gets a GPU."""
    accelerator: str | None = None
    """The kind of GPU that each worker gets, by Ray's name for it (H100); None: any."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables of all workers: see `raycl.cluster.variables`."""
    queue: QueueOptions = field(default_factory=QueueOptions)
    """What the sweep says of itself to others on the cluster."""

    def __post_init__(self) -> None:
        """Raise InputError for an accelerator without GPUs, or one whose name Ray cannot have."""
        if self.accelerator is None:
            return
        if not self.gpus:
            raise InputError("--accelerator", "it is a kind of GPU", "Add --gpus")
        if not _ACCELERATOR.fullmatch(self.accelerator):
            raise InputError("--accelerator", "not a name of Ray's", "Write it as Ray does: H100")

    @property
    def needs(self) -> WorkerNeeds:
        """What each worker asks of the cluster."""
        return WorkerNeeds(self.gpus, self.accelerator)

    @property
    def device(self) -> Device:
        """The device on which workers train."""
        return "cuda" if self.gpus else "cpu"
