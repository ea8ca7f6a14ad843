"""The loss weights of a stage, checked against the corpora that it reads."""

from __future__ import annotations

from collections.abc import Iterable

from raycl.errors import InputError
from raycl.plan.loss_weights import LossWeights
from raycl.recipe.schema import Stage


def loss_weights(stage: Stage, corpora: Iterable[str]) -> LossWeights:
    """The weights of the corpora that a stage reads, new or as replay.

    Raises InputError for a corpus that it does not read, and for weights without any effect.
    """
    read, field = list(dict.fromkeys(corpora)), f"stages.{stage.name}.loss_weight"
    for corpus in stage.loss_weight:
        if corpus not in read:
            problem = "the stage reads no rows of it"
            raise InputError(f"{field}.{corpus}", problem, f"It reads {', '.join(read)}")
    weights = {corpus: float(stage.loss_weight.get(corpus, 1)) for corpus in read}
    if len(set(weights.values())) == 1 and 1.0 not in weights.values():
        raise InputError(
            field,
            "all rows of the stage have one weight, and only ratios of weights have an effect",
            "Leave it out, or weigh one of several corpora",
        )
    return LossWeights(tuple(sorted((c, w) for c, w in weights.items() if w != 1)))
