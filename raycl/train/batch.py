"""The rows of one step on one rank: checked against the model, and moved to its device."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from raycl.errors import InputError
from raycl.train.moment import to_device
from raycl.train.parallel.world import World


@dataclass(frozen=True)
class ExpectedRows:
    """The shape and the vocabulary that every batch of a training must have."""

    count: int
    """Rows of this rank in each step."""
    sequence_length: int
    vocabulary: int

    def next_of(self, stream: Iterator[np.ndarray], step: int, world: World) -> torch.Tensor:
        """The next rows [count, length + 1] of the stream, on the device as int64.

        Raises RuntimeError where the stream has ended, InputError where shape or ids do not fit.
        """
        where, shape = f"rows of step {step}", (self.count, self.sequence_length + 1)
        rows = next(stream, None)
        if rows is None:
            raise RuntimeError(f"{where}: the stream of rows has ended")
        if rows.shape != shape or rows.dtype.kind not in "iu":
            found = f"{rows.dtype} of shape {list(rows.shape)}"
            raise InputError(where, f"{found} on rank {world.rank}", f"Give {list(shape)}")
        if int(rows.max()) >= self.vocabulary or int(rows.min()) < 0:
            raise InputError(
                where,
                f"token ids {int(rows.min())} to {int(rows.max())}, vocabulary {self.vocabulary}",
                "Prepare the corpus with the model's tokenizer, or raise model.config.vocab_size",
            )
        return to_device(torch.from_numpy(rows.astype(np.int64)), world.device)
