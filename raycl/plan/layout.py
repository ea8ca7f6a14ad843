"""How the workers of a node divide a model: over replicas, shards and parts of a matrix."""

from __future__ import annotations

from dataclasses import dataclass


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
