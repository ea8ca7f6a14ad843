"""Cuts the rows of a rank into micro-batches of one shape, the same number on every rank."""

from __future__ import annotations

import torch

from raycl.plan.shares import even_rows

PADDING = -1
"""The token of a row that is none: as a target it is ignored, so its row has zero weight."""


def cut_alike(values: torch.Tensor, pieces: torch.Tensor) -> torch.Tensor:
    """A value [count] of each row as [pieces, rows], as `cut` has cut the rows; 0 for padding."""
    padded = values.new_zeros(pieces.shape[0] * pieces.shape[1])
    padded[: len(values)] = values
    return padded.view(pieces.shape[:2])


def cut(rows: torch.Tensor, micro_batch: int | None, most_rows: int) -> torch.Tensor:
    """Rows [count, length + 1] as equal pieces [pieces, ≤ micro_batch rows, length + 1].

    `most_rows` is the largest count of any rank: number and shape of pieces depend on it alone, so
    that they are the same on every rank and in every step. Rows of padding fill the rest. Without
    a micro-batch there is one piece.
    """
    piece = even_rows(most_rows, micro_batch or most_rows)
    pieces = -(-most_rows // piece)
    missing = pieces * piece - len(rows)
    if missing:
        rows = torch.cat([rows, rows.new_full((missing, rows.shape[1]), PADDING)])
    return rows.view(pieces, piece, rows.shape[1])
