"""Chooses how the rows of a rank are read ahead: with Ray Data, or by a thread."""

from __future__ import annotations

from raycl.data.rank_reader import Batches
from raycl.data.ray_stream import rank_batches
from raycl.data.threaded_reader import threaded_batches
from raycl.plan.training import Training
from raycl.storage import Storage

MOST_RANKS_WITH_RAY_DATA = 8
"""Each rank's stream of Ray Data has a process and a scheduler of its own, and all streams ask one
control store. A thread has none of this; docs/decisions.md has the numbers."""


def read_ahead(training: Training, storage: Storage, rank: int, world: int) -> Batches:
    """The rank's rows of each step, read before they are asked for.

    The caller closes the iterator to end the read-ahead early.
    """
    few = world <= MOST_RANKS_WITH_RAY_DATA
    return (rank_batches if few else threaded_batches)(training, storage, rank, world)
