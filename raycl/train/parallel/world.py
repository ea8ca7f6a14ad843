"""The workers of one node: the rank of this process, and the exchange between ranks."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any, cast

import torch
import torch.distributed as dist

from raycl.errors import InputError
from raycl.plan.layout import Layout
from raycl.plan.shares import share_of
from raycl.train.parallel.process_groups import made_once

# A rank may wait long for another one's upload of a state; a dead one is noticed by its group.
_GROUP_TIMEOUT = timedelta(hours=2)


def _gloo_group() -> dist.ProcessGroup:
    return cast(dist.ProcessGroup, dist.new_group(backend="gloo", timeout=_GROUP_TIMEOUT))


@dataclass(frozen=True)
class World:
    """One process among the workers of a node: its rank, their number, its device."""

    rank: int
    size: int
    device: torch.device
    grid: Layout | None = None
    """How the workers divide the model, where they do not all hold a shard of one copy."""
    thread: str = "loop"
    """Who exchanges with whom. Threads that run side by side each have a group of their own, for
    the ranks must enter the collectives of one group in the same order."""

    @property
    def layout(self) -> Layout:
        """How the workers divide the model."""
        return self.grid or Layout(shard=self.size)

    @property
    def reader(self) -> int:
        """The worker's number among `layout.readers`; peers in `tensor` have the same."""
        return self.rank // self.layout.tensor

    @cached_property
    def group(self) -> dist.ProcessGroup | None:
        """The thread's gloo group beside the main one, for objects (collective)."""
        return made_once(("gloo", self.thread), _gloo_group) if self.size > 1 else None

    def agree(self, choose: Callable[[], Any]) -> Any:
        """Call `choose` on rank 0; return, or raise, its outcome on every rank (collective)."""
        if self.size == 1:
            return choose()
        box: list[Any] = [None, None]
        if self.rank == 0:
            try:
                box = [choose(), None]
            except Exception as error:  # the other ranks wait for it, so it must reach them
                box = [None, error]
        dist.broadcast_object_list(box, src=0, group=self.group)
        if box[1] is not None:
            raise box[1]
        return box[0]

    def gather(self, value: Any) -> list[Any]:
        """Every rank's value, in rank order (collective)."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.group)
        return values

    def collect(self, value: Any) -> list[Any]:
        """Every rank's value in rank order on rank 0, and an empty list elsewhere (collective)."""
        if self.size == 1:
            return [value]
        values: list[Any] | None = [None] * self.size if self.rank == 0 else None
        dist.gather_object(value, values, dst=0, group=self.group)
        return values or []

    def everywhere(self, action: Callable[[], Any]) -> list[Any]:
        """Call `action` on every rank; return all results in rank order (collective).

        Where it raises on one rank, that error is raised on all of them.
        """
        try:
            outcome: tuple[Any, Exception | None] = (action(), None)
        except Exception as error:  # the other ranks wait for this one's answer
            outcome = (None, error)
        outcomes = self.gather(outcome)
        for _, problem in outcomes:
            if problem is not None:
                raise problem
        return [result for result, _ in outcomes]

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The tensor summed over readers (collective), the same bits on each rank.

        Peers that read the same rows count once.
        """
        if self.rank % self.layout.tensor:
            values.zero_()
        if self.size > 1:
            dist.all_reduce(values)
        return values

    def gather_numbers(self, values: torch.Tensor) -> torch.Tensor:
        """Every rank's `values` [count] as [ranks, count], on the device (collective).

        On CUDA the host does not wait for it.
        """
        if self.size == 1:
            return values[None]
        gathered = values.new_empty(self.size * len(values))
        # torch 2.13 has renamed it, and warns of the earlier name.
        gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
        gather(gathered, values)
        return gathered.view(self.size, -1)


def current_world() -> World:
    """The rank and size of torch.distributed where it is initialised, else one process.

    The device is a CUDA device where there is one.
    """
    device = torch.device("cpu")
    if torch.cuda.is_available():
        local = int(os.environ.get("LOCAL_RANK", torch.cuda.current_device()))
        # Ray shows each worker only its own device, whatever its local rank.
        device = torch.device("cuda", local if local < torch.cuda.device_count() else 0)
        torch.cuda.set_device(device)
    if dist.is_available() and dist.is_initialized():
        return World(dist.get_rank(), dist.get_world_size(), device)
    return World(0, 1, device)


def share_of_batch(global_batch: int, world: World) -> int:
    """Rows of this rank. Raises InputError where there are more workers than rows."""
    readers = world.layout.readers
    if readers > global_batch:
        raise InputError(
            "workers",
            f"{readers} workers for a global batch of {global_batch} rows",
            f"Take at most {global_batch} workers",
        )
    return len(share_of(global_batch, world.reader, readers))
