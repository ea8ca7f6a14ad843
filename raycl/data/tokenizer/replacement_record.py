"""Which tokenizer a model had before it got another one, beside the model."""

from __future__ import annotations

from typing import ClassVar

from pydantic import NonNegativeInt

from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.policy import Choice
from raycl.data.tokenizer.replacement import Sources, counts
from raycl.data.tokenizer.text_tokenizer import TextTokenizer, make_tokenizer
from raycl.storage.record import Record


class ReplacementRecord(Record):
    """How the rows of a new vocabulary began. The old tokenizer.json lies beside it."""

    WHAT: ClassVar[str] = "the record of a replaced tokenizer"
    REMEDY: ClassVar[str] = "Remove the file: the model is then one like any other"

    tokens_before: NonNegativeInt
    """Tokens of the tokenizer before: one more than its largest id."""
    end_before: str
    """The token with which it ended documents."""
    kept: NonNegativeInt
    """New tokens that began with the row of one old token."""
    averaged: NonNegativeInt
    """New tokens that began with the mean of several."""
    others: NonNegativeInt
    """New tokens that began with the mean of all rows: the old tokenizer could not write them."""
    initialize: str
    """How the mean was made: `mean` or `weighted-mean`."""

    @property
    def tokens(self) -> int:
        """Tokens of the new tokenizer."""
        return self.kept + self.averaged + self.others

    @property
    def sentence(self) -> str:
        """All of it for people."""
        others = f", {self.others:,} with the mean of all" if self.others else ""
        return (
            f"{self.tokens:,} tokens in place of {self.tokens_before:,}; {self.kept:,} begin with "
            f"the row of an old token, {self.averaged:,} with the {self.initialize} of those that "
            f"wrote their text{others}"
        )


def replacement_record(old: TextTokenizer, sources: Sources, initialize: str) -> ReplacementRecord:
    """The record of a tokenizer that takes the place of `old`."""
    found = counts(sources)
    return ReplacementRecord(
        tokens_before=old.vocabulary,
        end_before=old.policy.end,
        kept=found.kept,
        averaged=found.averaged,
        others=found.others,
        initialize=initialize,
    )


def tokenizer_before(definition: str, record: ReplacementRecord, where: str) -> TextTokenizer:
    """The old tokenizer, from its tokenizer.json. Raises InputError where that is damaged."""
    files = TokenizerFiles(where, definition)
    return make_tokenizer(files, Choice(end_of_document=record.end_before))
