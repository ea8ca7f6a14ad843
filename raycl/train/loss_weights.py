"""The weights of a rank's rows in the loss of a step, by the corpus of each row."""

from __future__ import annotations

import torch

from raycl.data.rank_reader import rank_runs
from raycl.plan.chain import Chain
from raycl.train.parallel.world import World


def row_weights(chain: Chain, step: int, world: World) -> torch.Tensor | None:
    """Weights [rows of this rank] in float32, in the order of the rows; None where all are 1."""
    weights = chain.stages[chain.stage_index(step)].loss_weights
    if weights.plain:
        return None
    runs = rank_runs(chain.rows(step), world.reader, world.layout.readers)
    values = [weights.of(run.corpus) for run in runs for _ in range(run.count)]
    return torch.tensor(values, dtype=torch.float32, device=world.device)
