"""Validation: the mean loss of fixed rows of every corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.distributed.fsdp import FSDPModule

from raycl.data.manifest import Manifest
from raycl.data.shards import CorpusReader
from raycl.storage import Storage
from raycl.train.fsdp import autocast
from raycl.train.model import LanguageModel
from raycl.train.world import World


@dataclass(frozen=True)
class ValidationRows:
    """One rank's part of the rows of a corpus, and how many there are over all ranks."""

    local: np.ndarray
    """[count, length + 1] token ids; count differs by at most one between ranks, and may be 0."""
    total: int


def read_validation_rows(
    storage: Storage,
    corpora: Mapping[str, str],
    manifests: Mapping[str, Manifest],
    rows: int,
    world: World,
) -> dict[str, ValidationRows]:
    """The first `rows` rows of each validation split, the same ones every time.

    A corpus without validation rows is left out. Raises InputError where a shard is damaged.
    """
    result = {}
    for corpus, folder in corpora.items():
        reader = CorpusReader(storage, folder, manifests[corpus], "validation")
        total = min(rows, reader.rows)
        first, last = (total * rank // world.size for rank in (world.rank, world.rank + 1))
        if total:
            result[corpus] = ValidationRows(reader.read(first, last - first), total)
    return result


@torch.no_grad()
def validation_losses(
    model: LanguageModel,
    rows: Mapping[str, ValidationRows],
    world: World,
    dtype: torch.dtype,
    micro_batch: int,
) -> dict[str, float]:
    """Nats per token of each corpus, over all ranks (collective)."""
    model.eval()
    sums = torch.zeros(len(rows), dtype=torch.float64, device=world.device)
    for index, part in enumerate(rows.values()):
        for piece, counts in _pieces(part, world, micro_batch):
            with autocast(world, dtype):
                loss = model(piece.to(world.device))
            if counts:
                sums[index] += loss.double()
    model.train()
    if isinstance(model, FSDPModule):
        model.reshard()  # without a backward pass the root's weights would stay gathered
    tokens = [part.total * (part.local.shape[1] - 1) for part in rows.values()]
    summed = world.sum(sums).tolist()
    return {corpus: summed[i] / tokens[i] for i, corpus in enumerate(rows)}


def _pieces(
    part: ValidationRows, world: World, micro_batch: int
) -> Iterator[tuple[torch.Tensor, bool]]:
    """Pieces [≤ micro_batch, length + 1], as many on every rank: FSDP's forward is collective.

    A rank that has run out of rows gets one row of zeros, marked as not to be counted.
    """
    most = -(-part.total // world.size)
    for first in range(0, most, micro_batch):
        piece = part.local[first : first + micro_batch]
        counts = len(piece) > 0
        if not counts:
            piece = np.zeros((1, part.local.shape[1]), dtype=np.int64)
        yield torch.from_numpy(piece.astype(np.int64)), counts
