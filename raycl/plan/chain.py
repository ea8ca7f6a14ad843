"""A recipe as the sequence of its training steps, and the names of the states along it.

A step is determined by the weights it starts from, the rows it reads and its learning rate. The
chain hashes exactly these, step by step, onto a hash of the initial state. The hash after s steps
names the state after s steps. Whatever does not change a state (number of workers, micro-batch,
names, validation) is not hashed. So two recipes share steps exactly as long as their hashes agree.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from raycl.plan.anneal import Annealed
from raycl.plan.bisection import last_where
from raycl.plan.chain_hash import BLOCK, Beginning, first_stage
from raycl.plan.mixture import Run
from raycl.plan.stage import ChainStage

__all__ = ["Chain", "ChainStage"]

_FORMAT = 2
"""Raise it when the meaning of a step changes, so that no old state is taken for a new one."""
HASH_DIGITS = 40
"""Digits of a hash in a name. Format 1, which named checkpoints by their paths, had 32: so states
of an earlier version are known from a listing."""


@dataclass(frozen=True)
class _Part:
    """Steps of a chain, up to `stop`, that are hashed along one beginning."""

    stop: int
    end: int
    """The step at which the stage of `beginning` ends."""
    beginning: Beginning


class Chain:
    """The training steps of one recipe.

    `initial` holds all that fixes the initial state and the update rule (model, seed, optimizer,
    precision, sequence length); `fingerprints` maps corpus names to what they contain.
    """

    def __init__(
        self,
        initial: Mapping[str, Any],
        stages: Sequence[ChainStage],
        fingerprints: Mapping[str, str],
        sequence_length: int,
    ) -> None:
        self.initial = initial
        self.stages = tuple(stages)
        self.fingerprints = fingerprints
        self.sequence_length = sequence_length
        self.global_batch = self.stages[0].mixture.global_batch
        self.tokens_per_step = self.global_batch * sequence_length
        self.starts = tuple(accumulate((s.steps for s in self.stages), initial=0))
        self.steps = self.starts[-1]

    def stage_index(self, step: int) -> int:
        """Index of the stage whose update `step` is. Raises IndexError outside the chain."""
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} is outside 0 … {self.steps - 1}")
        return int(np.searchsorted(self.starts, step, side="right")) - 1

    def learning_rates(self, start: int, stop: int) -> NDArray[np.float64]:
        """Learning rates of the updates start … stop − 1."""
        parts = []
        for index, first in enumerate(self.starts[:-1]):
            low, high = max(start, first), min(stop, self.starts[index + 1])
            if low < high:
                stage = self.stages[index]
                parts.append(stage.rates(low - first, high - first, self.tokens_per_step))
        return np.concatenate(parts) if parts else np.zeros(0)

    def rows(self, step: int) -> list[Run]:
        """The global batch of a step: runs in batch order, whose counts sum to the batch."""
        index = self.stage_index(step)
        return self.stages[index].mixture.rows(step - self.starts[index])

    def row_counts(self, step: int) -> dict[str, int]:
        """The number of rows of each corpus in the global batch of a step."""
        index = self.stage_index(step)
        return self.stages[index].mixture.row_counts(step - self.starts[index])

    def resets_optimizer(self, step: int) -> bool:
        """Whether the optimizer state starts anew before the update of `step` (a hand-off)."""
        if not 0 < step < self.steps:
            return False
        stages = zip(self.starts[1:], self.stages[1:], strict=False)
        return any(stage.reset_optimizer for start, stage in stages if start == step)

    def name(self, step: int) -> str:
        """The name of the state after `step` steps: the step, and the hash of its whole past.

        Raises IndexError outside the chain.
        """
        if not 0 <= step <= self.steps:
            raise IndexError(f"state {step} is outside 0 … {self.steps}")
        return f"{step:09d}-{self._hash(step).hex()[:HASH_DIGITS]}"

    def divergence(self, other: Chain, limit: int | None = None) -> int:
        """Number of steps, from the first on, that both recipes share; at most `limit`."""
        if self._hash(0) != other._hash(0):
            return 0
        end = min(self.steps, other.steps, self.steps if limit is None else limit)
        shared = min(self._same_beginning(other), end)
        if shared == end:
            return end

        def same(step: int) -> bool:
            return self._hash(step) == other._hash(step)

        # A hash inside a block costs hashing the block's steps, one at its beginning is known.
        block = last_where(lambda b: same(max(shared, b * BLOCK)), shared // BLOCK, end // BLOCK)
        first = max(shared, block * BLOCK)
        return last_where(same, first, min(block * BLOCK + BLOCK - 1, end))

    def _same_beginning(self, other: Chain) -> int:
        """Number of steps that are known to be the same because both use one `Beginning`."""
        shared = 0
        for mine, theirs in zip(self._parts, other._parts, strict=False):
            if mine.beginning is not theirs.beginning:
                break
            shared = min(mine.stop, theirs.stop)
        return shared

    def _hash(self, step: int) -> bytes:
        """The hash of the past after `step` steps."""
        # The hash at the end of a part belongs to that part, and not to the next one.
        part = self._parts[bisect_left(self._parts, step, key=lambda part: part.stop)]
        return part.beginning.hash_after(step, part.end)

    @cached_property
    def _parts(self) -> tuple[_Part, ...]:
        """One part for each stage; for an anneal two, along its trunk and after leaving it."""
        text = json.dumps([_FORMAT, self.initial], sort_keys=True, default=str)
        initial = hashlib.sha256(text.encode()).digest()
        found: list[_Part] = []
        for stage, first in zip(self.stages, self.starts, strict=False):
            schedule, stop, trunk = stage.schedule, first + stage.steps, stage
            if isinstance(schedule, Annealed):
                # Up to where the anneal leaves, the stage is described as in the trunk's own chain.
                trunk = replace(stage, schedule=schedule.trunk, whole_steps=schedule.trunk_steps)
            if found:
                beginning = found[-1].beginning.next_stage(trunk, first)
            else:
                beginning = first_stage(initial, self.fingerprints, self.sequence_length, trunk)
            if isinstance(schedule, Annealed):
                leaves, end = min(first + schedule.at, stop), first + schedule.trunk_steps
                found.append(_Part(leaves, end, beginning))
                beginning = beginning.branch(stage, leaves, end)
            found.append(_Part(stop, stop, beginning))
        return tuple(found)

    def __getstate__(self) -> dict[str, Any]:
        """All but the hashes: a worker asks for few names, and can make them again."""
        return {key: value for key, value in self.__dict__.items() if key != "_parts"}
