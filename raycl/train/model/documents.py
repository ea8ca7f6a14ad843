"""Where documents begin in rows, and what follows from it for positions and targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch

IGNORED = -1
"""Tokens below 0 are padding, and no targets."""


@dataclass(frozen=True)
class Borders:
    """The tokens by which rows show where a document ends and the next one begins.

    A document is [begin] text end, as it was packed (`raycl/data/prepare/pack.py`). Its end is
    predicted, and predicts nothing; as Megatron-LM's `--reset-position-ids`,
    `--reset-attention-mask` and `--eod-mask-loss` have it.
    """

    end: int
    begin: int | None = None
    """None where documents begin without a token of their own."""

    def begins(self, rows: torch.Tensor) -> torch.Tensor:
        """Whether a document begins with each token but a row's first: [count, length + 1] to bool.

        Where documents have a beginning, an end alone is none: a text may hold the token too. The
        first token of a row needs no border, since there is nothing before it.
        """
        after_an_end = rows[:, :-1] == self.end
        return after_an_end if self.begin is None else after_an_end & (rows[:, 1:] == self.begin)


def targets_of(rows: torch.Tensor, borders: Borders | None) -> torch.Tensor:
    """What each input is to predict, [count, length + 1] to [count, length]; below 0: nothing."""
    targets = rows[:, 1:]
    return targets if borders is None else targets.masked_fill(borders.begins(rows), IGNORED)


def positions_of(rows: torch.Tensor, borders: Borders) -> torch.Tensor:
    """Positions of the inputs [count, length], which count from 0 in each document and each row."""
    begins = borders.begins(rows)[:, :-1]
    places = torch.arange(rows.shape[1] - 1, device=rows.device).expand(len(rows), -1)
    first = torch.zeros_like(places)
    first[:, 1:] = places[:, 1:] * begins
    return places - first.cummax(dim=1).values
