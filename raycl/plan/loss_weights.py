"""How much a token of each corpus counts in the loss, apart from how many of them are read.

The loss of a step is Σ w · l / Σ w over the tokens that are predicted in its global batch, with the
weight w of the corpus of each: a weighted mean, as torch's `CrossEntropyLoss(weight)` takes it, and
an objective over domains as that of the proxy in DoReMi (Xie et al. 2023, arXiv:2305.10429). So
only ratios of weights matter, and a learning rate means what it means without them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LossWeights:
    """The weights that differ from 1, by corpus."""

    of_corpora: tuple[tuple[str, float], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether every token counts alike, as without the field."""
        return not self.of_corpora

    def of(self, corpus: str) -> float:
        """The weight of a token of the corpus."""
        return dict(self.of_corpora).get(corpus, 1.0)

    def word(self, word: int, fingerprints: Mapping[str, str]) -> int:
        """A stage's `word` of 63 bits with the weights in it; even, and the same where plain."""
        if self.plain:
            return word
        weights = sorted([fingerprints[corpus], weight] for corpus, weight in self.of_corpora)
        text = json.dumps(["loss_weights", word, weights])
        digest = hashlib.sha256(text.encode()).digest()[:8]
        return (int.from_bytes(digest, "big") >> 2 << 1) + 2

    def text(self, rows: Sequence[tuple[str, int]]) -> str:
        """For people, with what it means where a stage reads so many rows; empty where plain."""
        counts: dict[str, int] = {}
        for corpus, count in rows:
            counts[corpus] = counts.get(corpus, 0) + count
        weighed = sum(self.of(corpus) * count for corpus, count in counts.items())
        return "; ".join(
            f"a token of {corpus} counts {weight:g} in the loss, so that "
            f"{counts.get(corpus, 0) / max(sum(counts.values()), 1):.3g} of the rows are "
            f"{weight * counts.get(corpus, 0) / weighed if weighed else 0:.3g} of it"
            for corpus, weight in self.of_corpora
        )


PLAIN = LossWeights()
"""Every token counts alike."""
