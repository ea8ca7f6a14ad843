"""Which answer to change where the plan of a first recipe is refused."""

from __future__ import annotations

from raycl.errors import InputError

_FLAGS = (
    ("GPU", "--gpus, --gpu or --model"),
    ("memory", "--model, --gpus or --cluster"),
    ("corpora", "--new or --old"),
    ("sequence_length", "--sequence-length"),
    ("positions", "--sequence-length"),
    ("schedule", "--max-lr or --budget"),
    ("validation", "--budget, or more text with --new and --old"),
    ("model", "--model"),
    ("tokenizer", "--model"),
    ("steps", "--budget"),
)
"""Words in a refusal, and the answers that they are about; the first that is there counts."""


def refused(error: InputError, file: str) -> InputError:
    """The refusal, with the answer that decides it."""
    said = f"{error.where} {error.problem}"
    flags = next((flags for word, flags in _FLAGS if word in said), "the answers")
    remedy = f"{error.remedy}. {file} was not written: change {flags}"
    return InputError(error.where, error.problem, remedy)
