"""Where documents begin, by the tokens of a row alone."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from raycl.train.model.documents import Borders, positions_of, targets_of

E, B = 0, 1


def row(*tokens: int) -> torch.Tensor:
    return torch.tensor([tokens])


def test_positions_begin_again_after_each_end() -> None:
    tokens = row(5, 6, E, 7, E, E, 8, 9)
    assert positions_of(tokens, Borders(E)).tolist() == [[0, 1, 2, 0, 1, 0, 0]]
    assert targets_of(tokens, Borders(E)).tolist() == [[6, E, -1, E, -1, -1, 9]]
    assert targets_of(tokens, None).tolist() == [[6, E, 7, E, E, 8, 9]]


def test_the_end_at_a_rows_beginning_predicts_nothing() -> None:
    tokens = row(E, 5, 6, E, 7)
    assert positions_of(tokens, Borders(E)).tolist() == [[0, 0, 1, 2]]
    assert targets_of(tokens, Borders(E)).tolist() == [[-1, 6, E, -1]]


def test_with_a_beginning_an_end_in_a_text_is_no_border() -> None:
    """`control_tokens: tokens` lets a text hold it: only an end before a beginning is a border."""
    tokens = row(5, E, B, 6, E, 7, E, B, 8)
    assert positions_of(tokens, Borders(E, B)).tolist() == [[0, 1, 0, 1, 2, 3, 4, 0]]
    assert targets_of(tokens, Borders(E, B)).tolist() == [[E, -1, 6, E, 7, E, -1, 8]]


def test_one_token_may_end_and_begin() -> None:
    """GPT-2's tokenizer with `add_bos_token`: text, end, beginning, text."""
    tokens = row(E, 5, E, E, 6, 7, E, E, 8)
    assert positions_of(tokens, Borders(E, E)).tolist() == [[0, 1, 2, 0, 1, 2, 3, 0]]
    assert targets_of(tokens, Borders(E, E)).tolist() == [[5, E, -1, 6, 7, E, -1, 8]]


def test_padding_is_no_target() -> None:
    padding = torch.full((1, 5), -1)
    assert (targets_of(padding, Borders(E)) == -1).all()
    assert positions_of(padding, Borders(E)).tolist() == [[0, 1, 2, 3]]


@given(st.lists(st.lists(st.integers(2, 9), max_size=5), min_size=1, max_size=9), st.booleans())
def test_every_document_is_predicted_as_it_is_alone(texts: list[list[int]], begins: bool) -> None:
    documents = [[*([B] if begins else []), *text, E] for text in texts]
    stream = torch.tensor([[E, *(token for document in documents for token in document)]])
    borders = Borders(E, B if begins else None)
    targets, places = targets_of(stream, borders)[0], positions_of(stream, borders)[0]
    assert int((targets >= 0).sum()) == sum(len(document) - 1 for document in documents)
    assert places.tolist() == [0, *(i for d in documents for i in range(len(d)))][:-1]
