"""Measures bits/byte of whole documents with raycl's own model, in the harness' windows.

Training measures rows of a stream of documents; the harness measures each document by itself.
This module measures each document by itself with training's code, to check the harness' numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from raycl.data.tokenizer import TextTokenizer
from raycl.train.model.language_model import LanguageModel


def rolling_windows(
    tokens: Sequence[int], prefix: int, length: int
) -> Iterator[tuple[list[int], int]]:
    """Pairs (row, targets): a row of ≤ `length` + 1 ids, whose last `targets` ids are predicted.

    Every token is predicted once. The first token follows `prefix`. Each later window begins with
    the last token of the window before it, and the last window reaches back so far that it is full
    (lm_eval's get_rolling_token_windows with context_len 1).
    """
    stream = [prefix, *tokens]
    for begin in range(0, len(tokens), length):
        stop = min(begin + length, len(tokens))
        yield stream[max(0, stop - length) : stop + 1], stop - begin


@torch.no_grad()
def document_bits_per_byte(
    model: LanguageModel, documents: Sequence[str], tokenizer: TextTokenizer, length: int
) -> float:
    """Bits of all documents' tokens by their UTF-8 bytes.

    Before each document stands the token that begins it, or where there is none the end of another.
    """
    model.eval()
    device = next(model.parameters()).device
    nats = 0.0
    for document in documents:
        tokens = tokenizer.encode(document)
        for row, targets in rolling_windows(tokens, tokenizer.prefix, length):
            ids = torch.tensor([row], device=device)
            nats += float(model(ids))
            known = ids[:, : len(row) - targets]
            # The model sums the loss over all ids of the row. The ids that an earlier window has
            # predicted are subtracted.
            if known.shape[1] > 1:
                nats -= float(model(known))
    model.train()
    return nats / math.log(2) / sum(len(document.encode()) for document in documents)
