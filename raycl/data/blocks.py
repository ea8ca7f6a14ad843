"""Cuts the steps of a training into blocks, each of which is read at once."""

from __future__ import annotations

BLOCK_BYTES = 4 * 2**20
"""The most bytes of a block with more than one step."""
BLOCK_STEPS = 64
"""The most steps of a block."""


def block_bounds(start: int, stop: int, step_bytes: int) -> list[tuple[int, int]]:
    """Cut steps [start, stop) into blocks. The first are short, so that training begins soon."""
    largest = max(1, min(BLOCK_STEPS, BLOCK_BYTES // step_bytes))
    bounds, size = [], 1
    while start < stop:
        bounds.append((start, min(start + size, stop)))
        start, size = start + size, min(2 * size, largest)
    return bounds
