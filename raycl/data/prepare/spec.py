"""The input and settings of a corpus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from raycl.data.prepare.source import TextSource
from raycl.errors import InputError
from raycl.storage import layout
from raycl.storage.urls import CORPUS_NAME


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus to prepare.

    `seed` is that of the order, and of the documents held out unless these have `held_out_seed`.
    `validation` is the share of documents held out, `unknown` the share of the text's bytes that
    the tokenizer may be unable to write.
    """

    name: str
    source: TextSource
    sequence_length: int
    validation: Fraction | float = Fraction(1, 200)
    seed: int = 0
    shard_tokens: int = 2**25
    unknown: Fraction = Fraction(1, 1000)
    held_out_seed: int | None = None

    def __post_init__(self) -> None:
        where = f"corpus {self.name!r}"
        if not re.fullmatch(CORPUS_NAME, self.name):
            raise InputError(where, "not a usable name", "Use letters, digits, '.', '_' and '-'")
        object.__setattr__(self, "validation", Fraction(str(self.validation)))
        if not 0 < self.validation < 1:
            raise InputError(
                f"{where}: validation {float(self.validation):g}",
                "not a share of the documents",
                "Give a number between 0 and 1, such as 0.005",
            )
        for field, least in (("sequence_length", 1), ("seed", 0), ("shard_tokens", 1)):
            if getattr(self, field) < least:
                raise InputError(
                    f"{where}: {field} {getattr(self, field)}", "too small", f"Give {least} or more"
                )

    @property
    def split_seed(self) -> int:
        """The seed of the documents that are held out."""
        return self.seed if self.held_out_seed is None else self.held_out_seed

    @property
    def folder(self) -> str:
        """Where the corpus lies in storage."""
        return layout.corpus(self.name)
