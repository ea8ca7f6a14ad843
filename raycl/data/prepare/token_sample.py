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
from raycl.data.tokenizer.definition import token_ids
from raycl.data.tokenizer.roles import all_control_tokens
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
        documents = list(_beginning(source, file))
        parts = [ids[:_COMPARED] for ids in made.parts(documents)]
        _check_ends(tokenizer, file.url, documents)
        texts = [made.text.spelled(ids).decode(errors="replace") for ids in parts]
        found = found or bool(parts)
        shown = shown or "".join(texts[:1])[:_SHOWN]
        _check_equal(tokenizer, file.url, parts, texts)
    if not found and len(files) <= 2 * SAMPLED_FILES:
        names = ", ".join(file.url for file in files[:3])
        raise InputError(names, "there is no document in it", "Give files that hold tokens")
    return shown


def _beginning(source: TextSource, file: InputFile) -> Iterator[TokenDocument]:
    """The first documents of a file, of `_COMPARED` tokens together; none of a `.bin` file."""
    units, _ = plan_units(source, [file], SAMPLE_BYTES)
    size = 0
    for document in (document for unit in units for document in read_tokens(unit)):
        yield document
        size += len(document.ids)
        if size >= _COMPARED:
            return


def _check_ends(tokenizer: TextTokenizer, url: str, documents: Sequence[TokenDocument]) -> None:
    """Raise InputError where all documents end with a control token that is not the end."""
    last = {int(document.ids[-1]) for document in documents if len(document.ids)}
    spelled = {number: token for token, number in token_ids(tokenizer.definition).items()}
    token = spelled.get(*last) if len(last) == 1 else None
    if token == tokenizer.policy.end or token not in all_control_tokens(tokenizer):
        return
    raise InputError(
        url,
        f"its documents end with {token!r}, and the tokenizer ends them with "
        f"{tokenizer.policy.end!r}, so that each would have two ends",
        f"Set the token in the recipe: tokenizer: {{load: …, end_of_document: '{token}'}}",
    )


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
