"""A process group of one process, so that one worker trains on the same path as several."""

from __future__ import annotations

import atexit
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist

_INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


def join_alone(device: torch.device) -> None:
    """Make this process the only member of a group, unless it is in one already.

    The group stays until the process ends: a process trains many nodes, one after another. Nothing
    listens on another address than loopback.
    """
    if dist.is_initialized():
        return
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    with _loopback():
        store = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
    atexit.register(leave)


def leave() -> None:
    """Leave the process group, where there is one, so that the process can join another."""
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def _loopback() -> Iterator[None]:
    """Have groups that are made inside the `with` block use the loopback interface alone."""
    name = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), None)
    before = {variable: os.environ.get(variable) for variable in _INTERFACES}
    if name is not None:
        os.environ.update(dict.fromkeys(_INTERFACES, name))
    try:
        yield
    finally:
        for variable, value in before.items():
            os.environ.pop(variable, None)
            if value is not None:
                os.environ[variable] = value
