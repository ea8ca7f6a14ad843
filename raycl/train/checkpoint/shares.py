"""Which rank writes which part of a state: each number once, and the work spread evenly."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch

from raycl.states.tensor_index import Box
from raycl.train.parallel.boxes import local_box
from raycl.train.parallel.world import World


def own_share(tensors: Mapping[str, torch.Tensor], world: World) -> list[str]:
    """The names of the tensors whose local part this rank writes (collective).

    Ranks that hold the same part (replicas of a hybrid layout, peers of tensor parallelism, buffers
    that all hold) share the work: each part goes to the holder with the fewest bytes so far. The
    ranks compare what they hold, so that no layout has to be understood here.
    """
    boxes = [local_box(tensor) for tensor in tensors.values()]
    shapes = [tuple(tensor.shape) for tensor in tensors.values()]
    facts = np.array(
        [[_key(box), _weight(box, shape)] for box, shape in zip(boxes, shapes, strict=True)],
        dtype=np.int64,
    ).reshape(-1, 2)
    every = np.stack([np.frombuffer(d, np.int64) for d in world.gather(facts.tobytes())])
    writers = _writers(every.reshape(world.size, -1, 2))
    return [name for name, ranks in zip(tensors, writers, strict=True) if world.rank in ranks]


def _key(box: Box) -> int:
    """Equal for the same box of a tensor, and different for its disjoint boxes."""
    digest = hashlib.sha256(repr((box.offsets, box.sizes)).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def _weight(box: Box, shape: Sequence[int]) -> int:
    """Numbers to write; an empty part is written only where the whole tensor is empty."""
    return max(box.count, int(0 in shape))


def _writers(facts: np.ndarray) -> list[set[int]]:
    """For each tensor the ranks that write a part; `facts` is [ranks, tensors, (key, weight)]."""
    loads = np.zeros(len(facts), dtype=np.int64)
    writers: list[set[int]] = []
    for keys, weights in facts.transpose(1, 2, 0):
        chosen = set()
        for key in np.unique(keys[weights > 0]):
            (holders,) = np.nonzero(keys == key)
            rank = int(holders[loads[holders].argmin()])
            loads[rank] += weights[rank]
            chosen.add(rank)
        writers.append(chosen)
    return writers
