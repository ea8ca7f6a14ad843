"""Sizes that fit the text and the budget: sequences, batches, steps, what is held out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from raycl.data.few_held_out import AIM
from raycl.errors import InputError
from raycl.recipe.starter.answers import Answers, TextAnswer

_PAPER_BATCH = 1104 * 2048
"""Tokens in a batch of the paper: 2.26M. A larger one is rarely worth its steps."""
_STEPS = 1000
"""Steps that a stage gets, about, until its batch has the paper's size."""
_FEWEST_STEPS = 20
VALIDATED = 0.1
"""What validation may cost, as a share of a stage's training."""
GOOD_PASSES = 4
"""Passes over a text beyond which little is learned (Muennighoff et al. 2023, arXiv 2305.16264)."""
_LEAST_ROWS, _MOST_ROWS = 8, 512
"""Rows of a batch at least, and rows of a validation at most."""
_LONGEST_ON_CPU, _LONGEST_ON_GPU, _SHORTEST = 512, 2048, 64
_LEAST_HELD_OUT, _MOST_HELD_OUT = Fraction(1, 200), Fraction(1, 5)
_FEWEST_DOCUMENTS = 20


@dataclass(frozen=True)
class Sizes:
    """The numbers of a recipe."""

    sequence_length: int
    rows: int
    """Sequences of a batch."""
    steps: int
    """Of each stage."""
    validation_rows: int
    """Of each corpus."""

    @property
    def tokens_per_step(self) -> int:
        """Tokens of a batch."""
        return self.rows * self.sequence_length

    @property
    def tokens(self) -> int:
        """Tokens of a stage."""
        return self.steps * self.tokens_per_step


def sizes(answers: Answers) -> Sizes:
    """The sizes for the answers. Raises InputError where text or budget are too small."""
    length = answers.sequence_length or _length(answers)
    rows = _power_of_two(answers.tokens / (_STEPS * length))
    rows = max(_LEAST_ROWS, min(rows, _PAPER_BATCH // length))
    steps = round(answers.tokens / (rows * length))
    if steps < _FEWEST_STEPS:
        least = _FEWEST_STEPS * rows * length
        problem = f"{answers.tokens:,} tokens are {steps} steps of {rows} × {length}"
        remedy = f"Give {least:,} tokens or more, or a shorter --sequence-length"
        raise InputError("--budget", problem, remedy)
    texts = [answers.new] if answers.old is None else [answers.old, answers.new]
    there = min(text.tokens / 66 / length for text in texts)
    # A row costs a third of one of training (docs/recipes.md), at about ten validations a stage.
    cheap = VALIDATED * steps * rows * 3 / (11 * len(texts))
    return Sizes(length, rows, steps, max(_LEAST_ROWS, min(int(there), int(cheap), _MOST_ROWS)))


def held_out(text: TextAnswer, sizes: Sizes, flag: str) -> Fraction:
    """The share of a corpus' documents that is held out, which has the rows of a validation twice.

    Documents differ in length, so that the rows of a share vary. Raises InputError, which names the
    answer `flag`, where the text is too small.
    """
    if text.documents < _FEWEST_DOCUMENTS:
        raise InputError(
            flag,
            f"too few documents to hold some of them out whole: {text.about}",
            f"Give {_FEWEST_DOCUMENTS} or more: one file each, one line of JSON each, or one file "
            "with empty lines between them",
        )
    rows = Fraction(2 * sizes.validation_rows * sizes.sequence_length, max(1, text.tokens))
    documents = min(Fraction(AIM, text.documents), _MOST_HELD_OUT)
    share = max(rows, documents, _LEAST_HELD_OUT)
    if share > _MOST_HELD_OUT:
        least = math.ceil(2 * sizes.validation_rows * sizes.sequence_length / _MOST_HELD_OUT)
        raise InputError(
            flag,
            f"about {text.tokens:,} tokens ({text.about}): too few to hold some out",
            f"Give text of {least:,} tokens or more, or a shorter --sequence-length",
        )
    return Fraction(math.ceil(share * 1000), 1000)


def passes(text: TextAnswer, share: Fraction, held: Fraction, sizes: Sizes) -> float:
    """How often a stage reads a text of which each batch has so large a share."""
    return float(share * sizes.tokens / (text.tokens * (1 - held)))


def _length(answers: Answers) -> int:
    """The longest power of two that the model has positions for and that leaves enough steps."""
    most = _LONGEST_ON_GPU if answers.place.gpus else _LONGEST_ON_CPU
    least = min(answers.tokens, *(t.tokens for t in (answers.new, answers.old) if t is not None))
    fits = max(_SHORTEST, int(least / (200 * _LEAST_ROWS)))
    most = min(most, fits, answers.model.positions or most)
    return int(2 ** math.floor(math.log2(most)))


def _power_of_two(value: float) -> int:
    return int(2 ** round(math.log2(value))) if value > 1 else 1
