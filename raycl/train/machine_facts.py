"""On what the workers of a node compute: a fact of a state's mark, and no part of its name."""

from __future__ import annotations

import socket

import torch

from raycl.states.mark import MachineFacts
from raycl.storage.machine import processor_name
from raycl.train.parallel.world import World


def machine_facts(world: World) -> MachineFacts:
    """The device of this rank, and the number of machines of all ranks (collective)."""
    hosts = len(set(world.gather(socket.gethostname())))
    return MachineFacts(device=_device_name(world.device), hosts=hosts)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name()
