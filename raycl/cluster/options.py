"""The options that say which Ray cluster a command uses, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from raycl.plan.execution import Device


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

    @property
    def device(self) -> Device:
        """The device on which workers train."""
        return "cuda" if self.gpus else "cpu"
