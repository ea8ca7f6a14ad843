"""Resampling of documents against variances that are known, and between two models."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from raycl.results.uncertainty.bootstrap import (
    DocumentSums,
    difference_error,
    document_interval,
    paired_average_interval,
    paired_document_interval,
    standard_error,
)


def equal_documents(count: int, spread: float, seed: int = 1, tokens: int = 100) -> DocumentSums:
    """Documents of one length, whose mean losses are 3 ± `spread`, independently."""
    losses = np.random.default_rng(seed).normal(3, spread, count)
    return DocumentSums(losses * tokens, np.full(count, float(tokens)))


def test_independent_documents_have_the_error_of_a_mean() -> None:
    sums = equal_documents(400, 0.5)
    analytic = float((sums.nats / 100).std(ddof=1)) / math.sqrt(400)
    assert standard_error(sums) == pytest.approx(analytic, rel=1e-9)
    found = document_interval(sums)
    assert found.mean == pytest.approx(sums.loss)
    assert found.sd / math.sqrt(found.n) == pytest.approx(analytic, rel=0.06)
    assert found.high - found.low == pytest.approx(2 * 1.96 * analytic, rel=0.08)


def test_rows_of_one_document_count_as_one() -> None:
    """Ten rows of each document, all alike within it: as sure as one row of each, not more."""
    losses = np.random.default_rng(2).normal(3, 0.5, 60)
    documents = np.repeat(np.arange(60), 10)
    rows = np.repeat(losses, 10) * 16
    by_document = DocumentSums.of(documents, rows, np.full(600, 16))
    by_row = DocumentSums.of(np.arange(600), rows, np.full(600, 16))
    assert len(by_document) == 60
    assert by_document.loss == pytest.approx(by_row.loss)
    ratio = standard_error(by_document) / standard_error(by_row)
    assert ratio == pytest.approx(math.sqrt(10), rel=0.02)


def test_documents_of_unequal_length_are_weighed_by_their_tokens() -> None:
    """The error to first order is that which the resamplings have."""
    generator = np.random.default_rng(3)
    tokens = generator.integers(10, 4000, 300).astype(float)
    sums = DocumentSums(generator.normal(3, 0.4, 300) * tokens, tokens)
    found = document_interval(sums, draws=4000)
    assert found.sd / math.sqrt(found.n) == pytest.approx(standard_error(sums), rel=0.05)


def test_a_difference_is_much_surer_than_the_losses() -> None:
    first = equal_documents(100, 0.5)
    gaps = np.random.default_rng(5).normal(0.05, 0.05, 100) * 100
    second = DocumentSums(first.nats - gaps, first.tokens)
    found = paired_document_interval(first, second)
    assert found.mean == pytest.approx(first.loss - second.loss)
    assert found.excludes_zero
    assert found.high - found.low < 0.2 * (
        document_interval(first).high - document_interval(first).low
    )
    error = float(gaps.std(ddof=1)) / 100 / math.sqrt(100)
    assert difference_error(first, second) == pytest.approx(error, rel=1e-9)
    mirrored = paired_document_interval(second, first)
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=2e-3)


def test_an_average_adds_the_variances_of_its_corpora() -> None:
    one, two = equal_documents(200, 0.3, 6), equal_documents(300, 0.2, 7)
    zero = [DocumentSums(np.zeros_like(sums.nats), sums.tokens) for sums in (one, two)]
    found = paired_average_interval([(0.5, one, zero[0]), (0.5, two, zero[1])])
    expected = 0.5 * math.hypot(standard_error(one), standard_error(two))
    assert found.mean == pytest.approx((one.loss + two.loss) / 2)
    assert found.sd / math.sqrt(found.n) == pytest.approx(expected, rel=0.06)
    assert found.n == 200


def test_what_is_not_known_has_no_interval() -> None:
    alone = equal_documents(1, 0.5)
    assert not document_interval(alone).is_known
    assert math.isnan(standard_error(alone))
    assert document_interval(DocumentSums(np.zeros(0), np.zeros(0))).n == 0
    assert len(DocumentSums.of([1, 1, 2], [3.0, 1.0, 0.0], [2, 2, 0])) == 1
    with pytest.raises(ValueError, match="not on the same documents"):
        paired_document_interval(alone, equal_documents(2, 0.5))


def test_it_is_the_same_each_time_and_fast() -> None:
    sums = equal_documents(1000, 0.5)
    before = time.process_time()
    first = document_interval(sums)
    seconds = time.process_time() - before
    assert document_interval(sums) == first
    assert document_interval(sums, seed=1) != first
    assert seconds < 0.5  # 0.04 to 0.09 on one core
