"""Hashes of the past along the beginnings of chains, which the recipes of a sweep share.

A beginning is a path of steps: some whole stages, and then a stage whose end is left open, because
each chain decides for itself where it ends. Chains that are described alike up to there use the
same `Beginning` object. So their steps are hashed once for all of them, and it is known without
any hash that the steps are the same. The beginning of an anneal goes along its trunk's beginning
to the step at which the anneal leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from raycl.plan.stage import ChainStage, step_words

BLOCK = 256
"""Steps hashed at once; a hash inside a block costs one hash of the steps since the block began."""
CHUNK = 16 * BLOCK
"""Number of steps whose words are in memory at once."""

Words = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True)
class _Start:
    """The values before its first stage on which a chain's hashes depend."""

    initial: bytes
    """The hash of the initial state."""
    fingerprints: Mapping[str, str]
    sequence_length: int


@dataclass(frozen=True)
class _Departure:
    """The place where a beginning leaves the one above it. Steps count from the chain's first."""

    above: Beginning
    first: int
    """The first step that is the new beginning's own."""
    origin: int
    """The first step of the new beginning's stage; less than `first` where an anneal leaves."""
    above_end: int
    """The end of the stage of `above`, in chains that do not leave it before."""


class Beginning:
    """The steps of another beginning up to `first`, and then those of a stage from `origin` on.

    Make beginnings with `first_stage`, `next_stage` and `branch`: they return an object that exists
    already, if there is one. Steps count from the chain's first. The argument `end` is always the
    step at which the stage ends in the calling chain, since chains that share a beginning may end
    their stage at different steps.
    """

    def __init__(
        self, start: _Start, stage: ChainStage, departure: _Departure | None = None
    ) -> None:
        self._start, self._stage = start, stage
        self._above = departure.above if departure else None
        self._above_end = departure.above_end if departure else 0
        self.first = departure.first if departure else 0
        self.origin = departure.origin if departure else 0
        self._tokens_per_step = stage.mixture.global_batch * start.sequence_length
        above, first = self._above, self.first
        # A stage without steps cannot reset the optimizer itself: the next stage does it.
        self._resets: bool = first > 0 and (
            (stage.reset_optimizer and self.origin == first)
            or (above is not None and above.first == first and above._resets)
        )
        self._blocks: list[bytes] = []
        """Hashes at the beginning of each whole block, from the block of `first` on."""
        self._known: dict[int, bytes] = {}
        """Hashes that were asked for, by their step."""
        self._next: WeakValueDictionary[Any, Beginning] = WeakValueDictionary()
        self._lock = RLock()  # threads may share a chain, and chains share beginnings

    def next_stage(self, stage: ChainStage, first: int) -> Beginning:
        """The beginning that goes along this one up to the step `first`, where a stage begins."""
        return self._following(stage, _Departure(self, first, first, first))

    def branch(self, stage: ChainStage, first: int, end: int) -> Beginning:
        """The beginning that goes along this one up to `first`, where its stage changes its form.

        `end` is where the stage ends in the chains that do not leave it.
        """
        return self._following(stage, _Departure(self, first, self.origin, end))

    def _following(self, stage: ChainStage, departure: _Departure) -> Beginning:
        key = (departure.first, departure.origin, departure.above_end, *_key(stage))
        return _existing_or(self._next, key, lambda: Beginning(self._start, stage, departure))

    def hash_after(self, step: int, end: int) -> bytes:
        """The hash of the past after `step` steps, `first` … `end`."""
        with self._lock:
            if step not in self._known:
                block, rest = divmod(step, BLOCK)
                value = self._at_block(block, end)
                if rest:
                    value = self._hash(value, block * BLOCK, step, end)
                self._known[step] = value
                # The hash of the end will be needed too, and its words are in memory just now.
                if end < step - step % CHUNK + CHUNK:
                    self.hash_after(end, end)
            return self._known[step]

    def _at_block(self, block: int, end: int) -> bytes:
        """The hash at the beginning of a block, which is the block of `first` or a later one."""
        with self._lock:
            origin = self.first // BLOCK
            if not self._blocks:
                above = self._above
                self._blocks = [
                    above._at_block(origin, self._above_end) if above else self._start.initial
                ]
            while origin + len(self._blocks) <= block:
                start = (origin + len(self._blocks) - 1) * BLOCK
                self._blocks.append(self._hash(self._blocks[-1], start, start + BLOCK, end))
            return self._blocks[block - origin]

    def _hash(self, before: bytes, start: int, stop: int, end: int) -> bytes:
        """The hash after the steps start … stop − 1 of a block; `before` is the one before them."""
        # Words are asked for in fixed ranges of steps, so that other calls find them in the cache.
        first = max(start - start % CHUNK, self.first - self.first % BLOCK)
        words, offsets = _words(self, first, min(start - start % CHUNK + CHUNK, end))
        hashed = words[offsets[start - first] : offsets[stop - first]]
        return hashlib.sha256(before + hashed.tobytes()).digest()


@lru_cache(maxsize=8)
def _words(beginning: Beginning, start: int, stop: int) -> Words:
    """The words that are hashed for the steps start … stop − 1, and the offset of each step's."""
    first, origin = beginning.first, beginning.origin
    words, lengths = step_words(
        beginning._stage,
        max(start, first) - origin,
        stop - origin,
        beginning._tokens_per_step,
        beginning._start.fingerprints,
        beginning._resets,
    )
    if start < first and beginning._above is not None:
        before, offsets = _words(beginning._above, start, first)
        words = np.concatenate([before, words])
        lengths = np.concatenate([np.diff(offsets), lengths])
    return words, np.concatenate([[0], np.cumsum(lengths)])


_FIRST: WeakValueDictionary[Any, Beginning] = WeakValueDictionary()
"""Beginnings that chains begin with. Each lives as long as a chain that uses it."""


def first_stage(
    initial: bytes, fingerprints: Mapping[str, str], sequence_length: int, stage: ChainStage
) -> Beginning:
    """The beginning with a chain's first stage; `initial` is the hash of the initial state."""
    start = _Start(initial, fingerprints, sequence_length)
    key = (initial, tuple(sorted(fingerprints.items())), sequence_length, *_key(stage))
    return _existing_or(_FIRST, key, lambda: Beginning(start, stage))


def _key(stage: ChainStage) -> tuple[Any, ...]:
    """All values on which the hashes of a stage's steps depend, except the end of the stage."""
    # A mixture equals itself only. `mixture_of` makes one object of equal sources, so that stages
    # of one sweep share theirs; comparing sources here would cost more than it finds.
    length = stage.whole_steps or stage.steps
    what = (stage.mixture, stage.trains, stage.loss_weights)
    return (stage.schedule, length, stage.reset_optimizer, *what)


def _existing_or(
    existing: WeakValueDictionary[Any, Beginning], key: Any, make: Callable[[], Beginning]
) -> Beginning:
    """The beginning with that key. Where there is none, it is made and kept while it is in use."""
    found = existing.get(key)
    if found is None:
        found = existing[key] = make()
    return found
