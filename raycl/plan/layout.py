"""How the workers of a node divide a model: over replicas, shards and parts of a matrix."""

from __future__ import annotations

from dataclasses import dataclass

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


def keeps_gathered(layout: Layout, gathered_bytes: float) -> bool:
    """Whether a step gathers (and casts) each weight once, and not once for each micro-batch.

    `gathered_bytes` are those of all weights that a worker computes with, in the type in which it
    does so. Where nothing is sharded there is a cast alone, which is made once too.
    """
    return layout.shard == 1 or gathered_bytes <= KEPT_BYTES
