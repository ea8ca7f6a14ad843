"""What the columns of the table of runs mean, a sentence each; docs/metrics.md has the formulas."""

from __future__ import annotations

from collections.abc import Mapping

_HINTS: Mapping[str, str] = {
    "loss": "Loss: validation loss at the end of the last stage.",
    "average": "Average: the mean of two sides, what was learned before the last stage and what is "
    "new in it; within a side each corpus counts by its share of the mixture.",
    "bits_per_byte": "Bits per byte: the loss divided by the bytes of the validation text, so that "
    "models with different tokenizers compare.",
    "forgetting": "Forgetting: how much the loss on a corpus rose after the stage that had learned "
    "it; above zero it was forgotten.",
    "adaptation": "Adaptation: how much the last stage lowered the loss on what is new in it; "
    "above zero it was learned.",
    "gap_to_union": "Gap to union: average minus that of training on everything at once.",
    "backward_transfer": "Backward transfer: how much later stages lowered the loss on what was "
    "learned before them; above zero they helped.",
    "forward_transfer": "Forward transfer: how much earlier stages lowered the loss on what only a "
    "later one learns; above zero they helped.",
    "spike": "Spike: how far the loss rose after the hand-off to the last stage.",
    "recovery_tokens": "Recovery: tokens of the last stage until the loss was back where it was at "
    "the hand-off; 0 where it never rose, – where it never came back.",
    "tokens_to_union": "Tokens to union: tokens of the last stage until the average was as low as "
    "that of training on everything at once.",
    "anneal_tokens": "Anneal's tokens: what an annealed branch has beyond its trunk where it "
    "leaves it.",
    "realised_replay": "Realised replay: share of the last stage's rows that were not new in it.",
    "tokens": "Tokens: those that the run was trained on, in all of its stages.",
    "task": "Task: its main score in lm-evaluation-harness.",
}
_SAME = {
    "average_bits_per_byte": "average",
    "mean_forgetting": "forgetting",
    "mean_adaptation": "adaptation",
}


def column_hint(name: str) -> str:
    """What the column of this name of a results table means; empty where there is no hint."""
    kind = name.partition("/")[0]
    return _HINTS.get(_SAME.get(kind, kind), "")
