"""Validation: the mean loss on fixed rows of every corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from raycl.data.manifest import Manifest
from raycl.data.shards import CorpusReader
from raycl.plan.shares import largest_share, share_of
from raycl.states.row_losses import RowLosses, RowsKey, row_losses_file
from raycl.storage import Storage
from raycl.train.micro_batches import cut
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.sharding import reshard
from raycl.train.parallel.world import World
from raycl.train.row_losses import Collected, document_borders, row_losses


@dataclass(frozen=True)
class ValidationRows:
    """One rank's part of a corpus' validation rows, and the number of rows over all ranks."""

    local: np.ndarray
    """Token ids [count, length + 1]. `count` differs by at most one between ranks; it may be 0."""
    total: int
    first: int = 0
    """Number of the rank's first row among all."""


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
            result[corpus] = ValidationRows(
                reader.read(share.start, len(share)), total, share.start
            )
    return result


@torch.no_grad()
def validation_losses(
    model: LanguageModel,
    rows: Mapping[str, ValidationRows],
    world: World,
    micro_batch: int,
    collected: Collected | None = None,
) -> dict[str, float]:
    """The mean loss of each corpus over all ranks, in nats per predicted token (collective).

    `collected` gets what single rows lose; the means have the same bits with it and without.
    """
    model.eval()
    sums = torch.zeros(2, len(rows), dtype=torch.float64, device=world.device)
    for index, (corpus, part) in enumerate(rows.items()):
        first = part.first
        for piece in _pieces(part, world, micro_batch).to(world.device):
            loss = (
                model(piece)
                if collected is None
                else collected.measure(model, corpus, first, piece)
            )
            sums[0, index] += loss.double()
            sums[1, index] += model.predicted(piece)
            first += len(piece)
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


class KeptRows:
    """The losses of single rows of one validation, from what is measured to what is stored."""

    def __init__(
        self,
        storage: Storage,
        manifests: Mapping[str, Manifest],
        rows: Mapping[str, ValidationRows],
        world: World,
    ) -> None:
        self._storage, self._world = storage, world
        self._manifests = {corpus: manifests[corpus] for corpus in rows}
        self._totals = {corpus: part.total for corpus, part in rows.items()}
        self._borders = world.agree(lambda: document_borders(storage, self._manifests))
        self.collected = Collected(self._borders)
        """To be given to `validation_losses`."""

    def losses(self) -> dict[RowsKey, RowLosses]:
        """What is to be stored, on rank 0; empty elsewhere (collective)."""
        lines = self.collected.gathered(self._world)
        return row_losses(self._storage, self._manifests, self._borders, lines, self._totals)

    def file(self) -> bytes:
        """The same as a file (collective)."""
        return row_losses_file(self.losses())
