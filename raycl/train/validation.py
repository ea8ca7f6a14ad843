"""Validation: the mean loss on fixed rows of every corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from raycl.data.manifest import Manifest
from raycl.data.shards import CorpusReader
from raycl.plan.shares import largest_share, share_of
from raycl.storage import Storage
from raycl.train.micro_batches import cut
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.sharding import reshard
from raycl.train.parallel.world import World


@dataclass(frozen=True)
class ValidationRows:
    """One rank's part of a corpus' validation rows, and the number of rows over all ranks."""

    local: np.ndarray
    """Token ids [count, length + 1]. `count` differs by at most one between ranks; it may be 0."""
    total: int


def read_validation_rows(
    storage: Storage,
    corpora: Mapping[str, str],
    manifests: Mapping[str, Manifest],
    rows: int,
    world: World,
) -> dict[str, ValidationRows]:
    """The rank's part of the first `rows` rows of each validation split, the same every time.

    A corpus without validation rows is left out. Raises InputError where a shard is damaged.
    """
    result = {}
    for corpus, folder in corpora.items():
        reader = CorpusReader(storage, folder, manifests[corpus], "validation")
        total = min(rows, reader.rows)
        share = share_of(total, world.reader, world.layout.readers)
        if total:
            result[corpus] = ValidationRows(reader.read(share.start, len(share)), total)
    return result


@torch.no_grad()
def validation_losses(
    model: LanguageModel,
    rows: Mapping[str, ValidationRows],
    world: World,
    micro_batch: int,
) -> dict[str, float]:
    """The mean loss of each corpus over all ranks, in nats per predicted token (collective)."""
    model.eval()
    sums = torch.zeros(2, len(rows), dtype=torch.float64, device=world.device)
    for index, part in enumerate(rows.values()):
        for piece in _pieces(part, world, micro_batch).to(world.device):
            sums[0, index] += model(piece).double()
            sums[1, index] += model.predicted(piece)
    model.train()
    reshard(model)
    losses, tokens = world.sum(sums).tolist()
    return {corpus: losses[i] / max(tokens[i], 1.0) for i, corpus in enumerate(rows)}


def _pieces(part: ValidationRows, world: World, micro_batch: int) -> torch.Tensor:
    """The rank's rows as int64 [pieces, ≤ micro_batch, length + 1], padded.

    Every rank gets as many pieces as the others, because FSDP's forward pass is collective.
    """
    rows = torch.from_numpy(part.local.astype(np.int64))
    return cut(rows, micro_batch, largest_share(part.total, world.layout.readers))
