"""Reads the beginning of a corpus of tokens before a cluster starts, and whose tokens they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np

from raycl.data.prepare.inputs import plan_units
from raycl.data.prepare.sample import SAMPLE_BYTES, SAMPLED_FILES, spread
from raycl.data.prepare.source import InputFile, TextSource, TokenDocument
from raycl.data.prepare.token_documents import TokenDocuments, read_tokens
from raycl.data.tokenizer import TextTokenizer
from raycl.errors import InputError

_COMPARED = 2**16
"""Tokens of each sampled file that are written as text and tokenised again."""
_LEAST_EQUAL = 0.9
"""Share of pairs of neighbours among them that have to come back: words of another tokenizer's
vocabulary come back singly, in another order."""
_SHOWN = 100
"""Characters."""


def check_token_sample(source: TextSource, files: list[InputFile], tokenizer: TextTokenizer) -> str:
    """The beginning of the corpus as text, to be shown.

    The index of each sampled file is read as a whole. Raises InputError where one of them is
    damaged, where an id is none of the tokenizer's, and where the text that is made of the tokens
    becomes other tokens again: then another tokenizer has made them.
    """
    made, shown, found = TokenDocuments(tokenizer), "", False
    for file in spread(files, 2 * SAMPLED_FILES):
        parts = list(_first(made.parts(_documents(source, file))))
        texts = [made.text.spelled(ids).decode(errors="replace") for ids in parts]
        found = found or bool(parts)
        shown = shown or "".join(texts[:1])[:_SHOWN]
        _check_equal(tokenizer, file.url, parts, texts)
    if not found and len(files) <= 2 * SAMPLED_FILES:
        names = ", ".join(file.url for file in files[:3])
        raise InputError(names, "there is no document in it", "Give files that hold tokens")
    return shown


def _documents(source: TextSource, file: InputFile) -> Iterator[TokenDocument]:
    units, _ = plan_units(source, [file], SAMPLE_BYTES)
    for unit in units:
        yield from read_tokens(unit)


def _first(parts: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The first `_COMPARED` ids, of as many documents as they are."""
    left = _COMPARED
    for ids in parts:
        yield ids[:left]
        left -= len(ids)
        if left <= 0:
            return


def _check_equal(
    tokenizer: TextTokenizer, url: str, parts: Sequence[np.ndarray], texts: Sequence[str]
) -> None:
    then = _pairs(ids.tolist() for ids in parts)
    now = _pairs(map(tokenizer.encode, texts))
    share = (then & now).total() / max(then.total(), now.total(), 1)
    if then and share < _LEAST_EQUAL:
        raise InputError(
            url,
            f"its tokens are not of this tokenizer ({tokenizer.files.where}): as text they read "
            f"{texts[0][:_SHOWN]!r}, and when that is tokenised again only {share:.0%} of the "
            "pairs of tokens come back",
            "Give the tokenizer that these tokens were made with, or the text itself",
        )


def _pairs(documents: Iterable[Sequence[int]]) -> Counter[tuple[int, int]]:
    """How often each token follows each other one."""
    counted: Counter[tuple[int, int]] = Counter()
    for ids in documents:
        counted.update(pairwise(ids))
    return counted
