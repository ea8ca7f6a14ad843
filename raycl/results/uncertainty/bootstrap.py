"""Uncertainty of a loss by resampling whole documents, alone and between two models.

Rows of one document resemble each other, so that rows are no independent sample of a corpus:
documents are. A loss is a ratio of sums over documents, Σ nats / Σ tokens. Sources: Efron and
Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 6 and 13; for two models on the same
documents Koehn, "Statistical Significance Tests for Machine Translation Evaluation", 2004; for the
formula Cochran, "Sampling Techniques", 1977, section 6.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from raycl.results.uncertainty.intervals import LEVEL, Interval

DRAWS = 2000
"""Resamplings where nothing else is said: enough for the ends of a 95 % interval."""
_NUMBERS_AT_ONCE = 2**22


@dataclass(frozen=True)
class DocumentSums:
    """What a model's loss on a corpus is made of: one entry a document, in a fixed order."""

    nats: np.ndarray
    """Sum of the cross entropies of each document's predicted tokens: float64 [documents]."""
    tokens: np.ndarray
    """Predicted tokens of each document: float64 [documents]."""

    @classmethod
    def of(cls, documents: ArrayLike, nats: ArrayLike, tokens: ArrayLike) -> DocumentSums:
        """The sums by document of parts of documents: all three [parts].

        Documents without a predicted token are left out.
        """
        _, place = np.unique(np.asarray(documents), return_inverse=True)
        summed = np.bincount(place, weights=np.asarray(nats, float))
        counted = np.bincount(place, weights=np.asarray(tokens, float))
        there = counted > 0
        return cls(summed[there], counted[there])

    @property
    def loss(self) -> float:
        """Nats per token; NaN without a token."""
        total = float(self.tokens.sum())
        return float(self.nats.sum()) / total if total else math.nan

    def __len__(self) -> int:
        return len(self.nats)


def standard_error(sums: DocumentSums) -> float:
    """Standard error of the loss (nats/token) over independent documents; NaN for fewer than two.

    √(D / (D − 1) · Σ (nats − loss · tokens)²) / Σ tokens, the ratio's error to first order.
    """
    return _linear_error(sums.nats - sums.loss * sums.tokens, sums.tokens)


def difference_error(first: DocumentSums, second: DocumentSums) -> float:
    """Standard error of `first` − `second` (nats/token) on the same documents; NaN for one.

    Raises ValueError where they are not on the same documents.
    """
    _check_paired(first, second)
    gaps = first.nats - second.nats
    return _linear_error(gaps - (first.loss - second.loss) * first.tokens, first.tokens)


def document_interval(
    sums: DocumentSums, draws: int = DRAWS, level: float = LEVEL, seed: int = 0
) -> Interval:
    """The loss with the interval between the quantiles of `draws` resamplings of documents.

    `n` are the documents, and `sd` / √n is the standard error. Unknown for fewer than two.
    """
    return weighted_interval([(1.0, sums.nats, sums.tokens)], draws, level, seed)


def paired_document_interval(
    first: DocumentSums,
    second: DocumentSums,
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """`first` − `second` (nats/token): each resampling has the same documents for both.

    Raises ValueError where they are not on the same documents.
    """
    _check_paired(first, second)
    return weighted_interval([(1.0, first.nats - second.nats, first.tokens)], draws, level, seed)


def paired_average_interval(
    pairs: Sequence[tuple[float, DocumentSums, DocumentSums]],
    draws: int = DRAWS,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Σ weight · (first − second) over corpora, whose documents are resampled independently.

    Raises ValueError where a pair is not on the same documents.
    """
    for _, first, second in pairs:
        _check_paired(first, second)
    parts = [(weight, one.nats - two.nats, one.tokens) for weight, one, two in pairs]
    return weighted_interval(parts, draws, level, seed)


def weighted_interval(
    parts: Sequence[tuple[float, np.ndarray, np.ndarray]], draws: int, level: float, seed: int
) -> Interval:
    """Σ weight · (Σ value / Σ tokens) over corpora, each (weight, values, tokens) by document.

    `n` are the documents of the corpus that has fewest of those with a weight.
    """
    parts = [part for part in parts if part[0]]
    if not parts or any(not len(values) for _, values, _ in parts):
        return Interval(math.nan, n=0)
    mean = math.fsum(w * float(v.sum()) / float(t.sum()) for w, v, t in parts)
    n = min(len(values) for _, values, _ in parts)
    if n < 2:
        return Interval(mean, n=n)
    found = np.zeros(draws)
    # Every corpus has draws of its own, and corpora come in a fixed order, so that another call
    # with the same numbers gives the same interval.
    for place, (weight, values, tokens) in enumerate(parts):
        found += weight * _resampled(values, tokens, draws, (seed, place))
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    error = float(found.std(ddof=1))
    return Interval(mean, float(low), float(high), error * math.sqrt(n), n)


def _resampled(
    values: np.ndarray, tokens: np.ndarray, draws: int, seed: tuple[int, ...]
) -> np.ndarray:
    """Σ value / Σ tokens of as many documents, drawn with replacement: float64 [draws]."""
    documents = len(values)
    both = np.stack([values, tokens], axis=1)
    result = np.empty(draws)
    at_once = max(1, _NUMBERS_AT_ONCE // documents)
    for begin in range(0, draws, at_once):
        count = min(at_once, draws - begin)
        sums = _how_often(count, documents, (*seed, begin)) @ both
        result[begin : begin + count] = sums[:, 0] / sums[:, 1]
    return result


@lru_cache(maxsize=8)
def _how_often(count: int, documents: int, seed: tuple[int, ...]) -> np.ndarray:
    """How often each resampling draws each document: uint16 [count, documents].

    Kept, at 8 MB at most each, because a sweep compares many recipes on the same documents.
    """
    drawn = np.random.default_rng(seed).integers(0, documents, (count, documents))
    drawn += documents * np.arange(count)[:, None]
    often = np.bincount(drawn.ravel(), minlength=count * documents)
    return often.reshape(count, documents).astype(np.uint16)


def _linear_error(residuals: np.ndarray, tokens: np.ndarray) -> float:
    documents = len(residuals)
    if documents < 2:
        return math.nan
    spread = float(np.square(residuals).sum()) * documents / (documents - 1)
    return math.sqrt(spread) / float(tokens.sum())


def _check_paired(first: DocumentSums, second: DocumentSums) -> None:
    if not np.array_equal(first.tokens, second.tokens):
        raise ValueError("the two losses are not on the same documents")
