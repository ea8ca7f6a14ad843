"""How many workers a cluster can ever hold, so that what it cannot hold is refused at once."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from raycl.cluster.options import ClusterOptions
from raycl.cluster.ray_internals import NO_AUTOSCALER, autoscaler_file
from raycl.cluster.worker_needs import WorkerNeeds
from raycl.errors import InputError
from raycl.plan.machines import MACHINES
from raycl.plan.scaling import Machine
from raycl.plan.tree import Node

_TYPE = "accelerator_type:"
"""Ray's resource for a kind of accelerator begins so."""


@dataclass(frozen=True)
class MachineKind:
    """Machines of one kind, and how many of them there can be."""

    resources: Mapping[str, float]
    most: float

    def workers(self, needs: WorkerNeeds) -> float:
        """Workers that one machine holds, each of them whole."""
        asked = needs.resources().items()
        return min(int(self.resources.get(name, 0) / amount + 1e-6) for name, amount in asked)


@dataclass(frozen=True)
class Capacity:
    """All machines that a cluster can have at once."""

    there: tuple[MachineKind, ...]
    """Machines that are there: all of a cluster that cannot grow, or its head alone."""
    kinds: tuple[MachineKind, ...] = ()
    """Kinds of machines that an autoscaler starts."""
    most: float = math.inf
    """The most machines that it starts, of all kinds together."""

    def workers(self, needs: WorkerNeeds) -> float:
        """The most workers that it can ever hold."""
        left, total = self.most, sum(kind.most * kind.workers(needs) for kind in self.there)
        for kind in sorted(self.kinds, key=lambda kind: -kind.workers(needs)):
            machines = min(left, kind.most)
            total, left = total + machines * kind.workers(needs), left - machines
        return total

    def of(self, needs: WorkerNeeds) -> str:
        """How much all machines have of each resource that a worker needs: `16 CPU, 2 GPU`."""
        sums = {
            name: sum(k.most * k.resources.get(name, 0) for k in (*self.there, *self.kinds))
            for name in needs.resources()
        }
        return ", ".join(f"{amount:g} {name}" for name, amount in sums.items())


def refuse_what_never_fits(
    nodes: Iterable[Node], needs: WorkerNeeds, capacity: Capacity | None
) -> None:
    """Raise InputError where a node asks for more workers than the cluster can ever hold.

    Where its capacity is not known (None), nothing is refused.
    """
    if capacity is None:
        return
    most = capacity.workers(needs)
    for node in nodes:
        fewest = node.training.fewest_workers or node.training.workers
        if fewest > most:
            raise InputError(
                f"stage {node.training.stage!r}",
                f"it needs {fewest} workers of {needs} each, and this cluster can never hold "
                f"more than {most:g}: it has {capacity.of(needs)}",
                "Ask for fewer `workers`, or give it more: an embedded cluster has as many CPUs as "
                "--workers says, and machines that no autoscaler starts must join before a sweep",
            )


def gpu_machine(needs: WorkerNeeds, capacity: Capacity | None) -> Machine | None:
    """Of the machines that can hold a worker, the one whose GPUs have most memory.

    What has no room there has none anywhere. None where a kind of GPU is not known; a card that Ray
    calls A100 may have 40 GB, and is taken for one of 80.
    """
    if capacity is None or not needs.gpus:
        return None
    kinds = [kind for kind in (*capacity.there, *capacity.kinds) if kind.workers(needs) >= 1]
    found = [machine for kind in kinds if (machine := _gpus_of(kind)) is not None]
    if not found or len(found) < len(kinds):
        return None
    return max(found, key=lambda machine: machine.memory)


def _gpus_of(kind: MachineKind) -> Machine | None:
    names = [n.removeprefix(_TYPE) for n in kind.resources if n.startswith(_TYPE)]
    if len(names) != 1 or names[0] not in MACHINES:
        return None
    return replace(MACHINES[names[0]], gpus_per_host=int(kind.resources["GPU"]))


def own_capacity(options: ClusterOptions) -> Capacity | None:
    """That of an embedded cluster, before it starts; None for any other.

    It says nothing of GPUs: how many this machine has is known when Ray has started.
    """
    if options.address is not None:
        return None
    cpus = options.workers or len(os.sched_getaffinity(0))
    return Capacity((MachineKind({"CPU": cpus}, 1),))


def cluster_capacity(needs: WorkerNeeds) -> Capacity | None:
    """What the cluster can grow to; None where that is not known."""
    file = autoscaler_file()
    if file is None:
        return None
    if file == NO_AUTOSCALER:
        return Capacity(tuple(MachineKind(resources, 1) for resources in _living_machines()))
    with open(file, encoding="utf-8") as stream:
        capacity = scaled_capacity(yaml.safe_load(stream))
    return capacity if all(_is_told(kind, needs) for kind in capacity.kinds) else None


def scaled_capacity(config: Mapping[str, Any]) -> Capacity:
    """The capacity of a cluster that Ray's autoscaler runs by this configuration.

    `max_workers` counts machines other than the head.
    """
    kinds = {
        name: MachineKind(kind.get("resources") or {}, kind.get("max_workers", 0))
        for name, kind in config["available_node_types"].items()
    }
    head = MachineKind(kinds.pop(config["head_node_type"]).resources, 1)
    return Capacity((head,), tuple(kinds.values()), config.get("max_workers", math.inf))


def _is_told(kind: MachineKind, needs: WorkerNeeds) -> bool:
    """Whether the configuration says what a worker could use; Ray fills in a part by itself."""
    names = kind.resources
    unknown_gpu = needs.accelerator and names.get("GPU") and not _names_accelerator(names)
    return "CPU" in names and not unknown_gpu


def _names_accelerator(resources: Mapping[str, float]) -> bool:
    return any(name.startswith(_TYPE) for name in resources)


def _living_machines() -> list[Mapping[str, float]]:
    import ray

    nodes: Any = ray.nodes  # Ray gives it no types
    return [node["Resources"] for node in nodes() if node["Alive"]]
