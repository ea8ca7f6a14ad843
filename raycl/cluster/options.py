"""Which Ray cluster a command works on, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClusterOptions:
    """The cluster of one command; the default is one of our own with all CPUs of this machine."""

    address: str | None = None
    """Of a cluster that is there; None starts one on this machine for the command's length."""
    workers: int | None = None
    """CPUs of a cluster of our own; None: all that this process may use."""
    concurrent: int | None = None
    """Nodes of a sweep that are trained at once, at most; None: as many as fit."""
    gpus: bool = False
    """Whether each worker gets a GPU."""
