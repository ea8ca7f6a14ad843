"""Hashes of the past along the beginnings of chains, which the recipes of a sweep share.

A beginning leads through whole stages into one that is open: where the stage ends is the chain's
business. Chains that are described alike up to there use the same object, so its steps are hashed
once for all of them, and their being the same is seen without a hash. An anneal's beginning leads
along the trunk's to where it leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from raycl.plan.stage import ChainStage, step_words

BLOCK = 256
"""Steps hashed at once; a hash inside a block costs one hash of the block's beginning."""
CHUNK = 16 * BLOCK
"""Steps whose words are in memory at once."""

Words = tuple[NDArray[np.int64], NDArray[np.int64]]


class Beginning:
    """The steps of `above` before `first`, and then those of a stage, which begins at `origin`.

    Use `first_stage`, `next_stage` and `branch`, which find the one that is there already. Steps
    count from the chain's first; `end` is always where the stage ends in the chain that asks.
    """

    def __init__(
        self,
        initial: bytes,
        fingerprints: Mapping[str, str],
        sequence_length: int,
        stage: ChainStage,
        above: Beginning | None = None,
        first: int = 0,
        origin: int = 0,
        above_end: int = 0,
    ) -> None:
        self.first, self.origin = first, origin
        self._above_end = above_end
        self._initial, self._fingerprints = initial, fingerprints
        self._sequence_length, self._stage, self._above = sequence_length, stage, above
        self._tokens_per_step = stage.mixture.global_batch * sequence_length
        # An empty stage before this one hands its reset on.
        self._resets: bool = first > 0 and (
            (stage.reset_optimizer and origin == first)
            or (above is not None and above.first == first and above._resets)
        )
        self._blocks: list[bytes] = []
        """Hashes at the beginnings of the whole blocks from that of `first` on."""
        self._known: dict[int, bytes] = {}
        self._next: WeakValueDictionary[Any, Beginning] = WeakValueDictionary()
        self._lock = RLock()  # threads may share a chain, and chains a beginning

    def next_stage(self, stage: ChainStage, first: int) -> Beginning:
        """This beginning up to the step `first`, and then another stage."""
        return _kept(
            self._next,
            (first, *_key(stage)),
            lambda: Beginning(
                self._initial,
                self._fingerprints,
                self._sequence_length,
                stage,
                self,
                first,
                first,
                first,
            ),
        )

    def branch(self, stage: ChainStage, first: int, end: int) -> Beginning:
        """This beginning up to the step `first`, and then another form of its stage.

        Up to `end` the stage of this beginning goes on in other chains.
        """
        return _kept(
            self._next,
            (first, end, *_key(stage)),
            lambda: Beginning(
                self._initial,
                self._fingerprints,
                self._sequence_length,
                stage,
                self,
                first,
                self.origin,
                end,
            ),
        )

    def hash_after(self, step: int, end: int) -> bytes:
        """The hash of the past after `step` steps, `first` … `end`."""
        with self._lock:
            if step not in self._known:
                block, rest = divmod(step, BLOCK)
                value = self._at_block(block, end)
                if rest:
                    value = self._hash(value, block * BLOCK, step, end)
                self._known[step] = value
                if end < step - step % CHUNK + CHUNK:
                    self.hash_after(end, end)  # the words are at hand, and it is always wanted
            return self._known[step]

    def _at_block(self, block: int, end: int) -> bytes:
        """The hash at a block's beginning; the block of `first` or a later one."""
        with self._lock:
            origin = self.first // BLOCK
            if not self._blocks:
                above = self._above
                self._blocks = [
                    above._at_block(origin, self._above_end) if above else self._initial
                ]
            while origin + len(self._blocks) <= block:
                start = (origin + len(self._blocks) - 1) * BLOCK
                self._blocks.append(self._hash(self._blocks[-1], start, start + BLOCK, end))
            return self._blocks[block - origin]

    def _hash(self, before: bytes, start: int, stop: int, end: int) -> bytes:
        """The hash after a block's steps start … stop − 1."""
        # Ranges begin and end at the same steps whoever asks, so that what is kept is found.
        first = max(start - start % CHUNK, self.first - self.first % BLOCK)
        words, offsets = _words(self, first, min(start - start % CHUNK + CHUNK, end))
        hashed = words[offsets[start - first] : offsets[stop - first]]
        return hashlib.sha256(before + hashed.tobytes()).digest()


@lru_cache(maxsize=8)
def _words(beginning: Beginning, start: int, stop: int) -> Words:
    """What is hashed of the steps start … stop − 1, and where each step's words begin."""
    first, origin = beginning.first, beginning.origin
    words, lengths = step_words(
        beginning._stage,
        max(start, first) - origin,
        stop - origin,
        beginning._tokens_per_step,
        beginning._fingerprints,
        beginning._resets,
    )
    if start < first and beginning._above is not None:
        before, offsets = _words(beginning._above, start, first)
        words = np.concatenate([before, words])
        lengths = np.concatenate([np.diff(offsets), lengths])
    return words, np.concatenate([[0], np.cumsum(lengths)])


_FIRST: WeakValueDictionary[Any, Beginning] = WeakValueDictionary()


def first_stage(
    initial: bytes, fingerprints: Mapping[str, str], sequence_length: int, stage: ChainStage
) -> Beginning:
    """The beginning with a chain's first stage; `initial` is the hash of the initial state."""
    key = (initial, tuple(sorted(fingerprints.items())), sequence_length, *_key(stage))
    return _kept(_FIRST, key, lambda: Beginning(initial, fingerprints, sequence_length, stage))


def _key(stage: ChainStage) -> tuple[Any, ...]:
    """All that the hashes of a stage's steps depend on, its length aside."""
    # Mixtures are equal when they are the same; `mixture_of` makes equal ones the same.
    return (stage.schedule, stage.whole_steps or stage.steps, stage.reset_optimizer, stage.mixture)


def _kept(kept: WeakValueDictionary[Any, Beginning], key: Any, make: Any) -> Beginning:
    found = kept.get(key)
    if found is None:
        found = kept[key] = make()
    return found
