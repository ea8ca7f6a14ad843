"""raycl's own bits/byte of whole documents, over the windows of the evaluation harness.

Training measures rows of a stream of documents; the harness measures each document by itself.
This is the second measure by the first one's code, to compare the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from tokenizers import Tokenizer

from raycl.train.model import LanguageModel


def rolling_windows(
    tokens: Sequence[int], prefix: int, length: int
) -> Iterator[tuple[list[int], int]]:
    """(row, targets): rows of ≤ `length` + 1 ids, of which the last `targets` ids are predicted.

    Every token is predicted once. The first follows `prefix`; a later window begins with the
    last token before it, and the last window reaches back so far that it is full (lm_eval's
    get_rolling_token_windows with context_len 1).
    """
    stream = [prefix, *tokens]
    for begin in range(0, len(tokens), length):
        stop = min(begin + length, len(tokens))
        yield stream[max(0, stop - length) : stop + 1], stop - begin


@torch.no_grad()
def document_bits_per_byte(
    model: LanguageModel, documents: Sequence[str], tokenizer: Tokenizer, prefix: int, length: int
) -> float:
    """Σ bits of all documents' tokens / Σ UTF-8 bytes; `prefix` stands before each document."""
    model.eval()
    device = next(model.parameters()).device
    nats = 0.0
    for document in documents:
        tokens = tokenizer.encode(document, add_special_tokens=False).ids
        for row, targets in rolling_windows(tokens, prefix, length):
            ids = torch.tensor([row], device=device)
            nats += float(model(ids))
            known = ids[:, : len(row) - targets]
            if known.shape[1] > 1:  # the model's forward sums over all targets: take off the rest
                nats -= float(model(known))
    model.train()
    return nats / math.log(2) / sum(len(document.encode()) for document in documents)
