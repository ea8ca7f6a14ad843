"""How the workers of a node divide a model: over replicas, shards and parts of a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from raycl.errors import InputError
from raycl.plan.configuration import Configuration
from raycl.units import Count

KEPT_BYTES = 2 * 2**30
"""Gathered weights of at most so many bytes stay gathered through all micro-batches of a step."""


@dataclass(frozen=True)
class Layout:
    """Workers as a grid [replicate, shard, tensor]; a worker's rank counts along the last first.

    Workers that differ in `replicate` alone hold the same weights and read other rows. Those that
    differ in `shard` hold other parts of every weight and read other rows. Those that differ in
    `tensor` hold other parts of every weight and read the same rows.
    """

    replicate: int = 1
    shard: int = 1
    tensor: int = 1

    @property
    def workers(self) -> int:
        """All workers of the node."""
        return self.replicate * self.shard * self.tensor

    @property
    def readers(self) -> int:
        """The workers among which the rows of a batch are shared."""
        return self.replicate * self.shard


class LayoutChoice(Configuration):
    """A layout as a recipe gives it: the workers that are left over divide into shards."""

    replicate: Count | None = Field(
        default=None, gt=0, description="copies of the model; without it, one for each host"
    )
    tensor: Count = Field(default=1, gt=0, description="parts of each matrix (tensor parallel)")


def chosen_layout(choice: LayoutChoice | Literal["auto"], workers: int, hosts: int = 1) -> Layout:
    """The layout of so many workers, an equal number of which is on each of `hosts`.

    `auto` divides the model inside a host and copies it from host to host, because the links inside
    a host are the faster ones and a copy is only exchanged once a step. Raises InputError where the
    copies and parts of a choice do not divide the workers.
    """
    choice = LayoutChoice() if choice == "auto" else choice
    across = hosts if (workers // hosts) % choice.tensor == 0 else 1
    replicate = choice.replicate or across
    shard, left = divmod(workers, replicate * choice.tensor)
    if left:
        raise InputError(
            "execution.layout",
            f"{workers} workers do not divide into {replicate} × {choice.tensor} equal parts",
            "Take numbers whose product divides the number of workers",
        )
    return Layout(replicate, shard, choice.tensor)


def keeps_gathered(layout: Layout, gathered_bytes: float) -> bool:
    """Whether a step gathers (and casts) each weight once, and not once for each micro-batch.

    `gathered_bytes` are those of all weights that a worker computes with, in the type in which it
    does so. Where nothing is sharded there is a cast alone, which is made once too.
    """
    return layout.shard == 1 or gathered_bytes <= KEPT_BYTES
