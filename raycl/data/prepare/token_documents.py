"""Documents that are tokens already: checked, without ends and beginnings, known by their text.

Packing writes the token that ends a document, and the one that begins it. So those that a document
brings are taken off, and a document with an end inside is several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from raycl.data.document_hashes import hash_documents
from raycl.data.prepare.buckets import Buckets
from raycl.data.prepare.columns import Documents
from raycl.data.prepare.encode import EncodedBatch
from raycl.data.prepare.readers import reader_named
from raycl.data.prepare.readers.reader import TokenReader
from raycl.data.prepare.source import TextSource, TokenDocument, Unit
from raycl.data.prepare.token_facts import TokenFacts
from raycl.data.prepare.unwritten import Unwritten
from raycl.data.tokenizer import TextTokenizer
from raycl.data.tokenizer.coverage import Complete
from raycl.data.tokenizer.definition import token_ids, unknown_token
from raycl.data.tokenizer.text_of_tokens import TextOfTokens
from raycl.errors import InputError

_BY_TOKENS = b"\0tokens\0"
"""Begins what a document is known by where its text is not sure; no text begins like this."""
_BATCH_BYTES = 2**20


def holds_tokens(source: TextSource) -> bool:
    """Whether the documents of the source are tokens already."""
    return source.format != "auto" and isinstance(reader_named(source.format), TokenReader)


def read_tokens(unit: Unit) -> Iterator[TokenDocument]:
    """Every document of the unit, empty ones too. Raises InputError."""
    for piece in unit:
        reader = reader_named(piece.file.format)
        assert isinstance(reader, TokenReader), "all files of a source have one format"
        yield from reader.tokens(piece)


@dataclass(frozen=True)
class _Found:
    """A document of tokens, and what there is to know of it."""

    known_by: bytes
    ids: np.ndarray
    text_bytes: int
    lost: int
    """Bytes of the text that the tokenizer could not write, one for each unknown token."""
    example: str


def _batch(found: list[_Found], dtype: str, buckets: Buckets) -> EncodedBatch:
    known = [document.known_by for document in found]
    chosen, keys = buckets.places(known)
    documents = Documents(
        keys,
        hash_documents(known),
        np.array([len(document.ids) for document in found], dtype="<u4"),
        np.array([document.text_bytes for document in found], dtype="<u4"),
        np.concatenate([document.ids for document in found]).astype(dtype),
    )
    unwritten = Unwritten(
        documents=sum(document.lost > 0 for document in found),
        bytes=sum(document.lost for document in found),
        of_bytes=sum(document.text_bytes for document in found),
        example=next((document.example for document in found if document.example), ""),
    )
    return EncodedBatch(documents, chosen, unwritten)


@dataclass
class TokenDocuments:
    """Makes documents for the spool of documents that are tokens, and counts what it finds."""

    tokenizer: TextTokenizer
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.text = TextOfTokens(self.tokenizer)
        unknown = unknown_token(self.tokenizer.definition)
        whole = isinstance(self.tokenizer.coverage, Complete) or unknown is None
        self._unknown = None if whole else token_ids(self.tokenizer.definition)[str(unknown)]

    @property
    def facts(self) -> TokenFacts:
        """What was found so far."""
        return TokenFacts(**self.counts)

    def parts(self, documents: Iterable[TokenDocument]) -> Iterator[np.ndarray]:
        """The ids of each document without its end and beginning; empty ones are left out.

        Raises InputError where an id is none of the tokenizer's.
        """
        for document in documents:
            self._count("documents")
            ids = document.ids
            self._check(document)
            if len(ids) and ids[-1] == self.tokenizer.end:
                self._count("ended")
                ids = ids[:-1]
            yield from self._divided(ids)

    def batches(
        self,
        documents: Iterable[TokenDocument],
        dtype: str,
        buckets: Buckets,
        finished: Callable[[TokenFacts], None],
    ) -> Iterator[EncodedBatch]:
        """The documents for the spool; `finished` hears what was found when all are made."""
        batch: list[_Found] = []
        size = 0
        for found in self._found(documents):
            batch.append(found)
            size += found.text_bytes
            if size >= _BATCH_BYTES:
                yield _batch(batch, dtype, buckets)
                batch, size = [], 0
        if batch:
            yield _batch(batch, dtype, buckets)
        finished(self.facts)

    def _found(self, documents: Iterable[TokenDocument]) -> Iterator[_Found]:
        for ids in self.parts(documents):
            exact = self.text.exact(ids)
            data = self.text.spelled(ids) if exact is None else exact
            if not data.decode(errors="replace").strip():
                self._count("empty")
                continue
            if exact is None:
                self._count("by_tokens")
            # A document of text with these bytes is the same one.
            known_by = _BY_TOKENS + ids.astype("<u4").tobytes() if exact is None else exact
            lost = 0 if self._unknown is None else int((ids == self._unknown).sum())
            example = data[:80].decode(errors="replace") if lost else ""
            yield _Found(known_by, ids, len(data), lost, example)

    def _divided(self, ids: np.ndarray) -> Iterator[np.ndarray]:
        ends = np.flatnonzero(ids == self.tokenizer.end)
        # Where a text may hold the end token, as chats do, it says nothing of a document's end.
        if len(ends) and self.tokenizer.policy.control_tokens == "text":
            self._count("divided")
            parts = np.split(ids, ends)
            divided = [parts[0], *(part[1:] for part in parts[1:])]
        else:
            divided = [ids]
        for part in divided:
            if len(part) and self.tokenizer.begin is not None and part[0] == self.tokenizer.begin:
                self._count("begun")
                part = part[1:]
            if len(part):
                yield part
            else:
                self._count("empty")

    def _check(self, document: TokenDocument) -> None:
        ids = document.ids
        if not len(ids):
            return
        wrong = int(ids.min()) if ids.min() < 0 else int(ids.max())
        if 0 <= wrong < self.tokenizer.vocabulary:
            known = self.text.known[ids]
            if known.all():
                return
            wrong = int(ids[~known][0])
        size = self.tokenizer.vocabulary
        raise InputError(
            document.place,
            f"token {wrong:,} is none of the tokenizer's, whose ids end at {size - 1:,}",
            "Give the tokenizer that these tokens were made with, or tokens made with this one",
        )

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1
