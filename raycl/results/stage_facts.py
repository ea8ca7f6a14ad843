"""The facts of a recipe's stages, by its chain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from raycl.plan.chain import ChainStage
from raycl.plan.mixture import Source
from raycl.plan.training import Training
from raycl.results.outcome import StageFact


def stage_facts(training: Training) -> list[StageFact]:
    """The stages of a recipe, in their order.

    A stage whose fields change inside it is one stage, with the values that it has at its end, and
    with the new data of all its parts.
    """
    chain = training.chain
    each = zip(chain.stages, chain.starts, strict=False)
    return [
        _fact([stage for stage, _ in parts], parts[0][1], chain.tokens_per_step)
        for parts in (list(group) for _, group in groupby(each, key=lambda part: part[0].name))
    ]


def _fact(parts: Sequence[ChainStage], first: int, tokens_per_step: int) -> StageFact:
    steps, last = sum(part.steps for part in parts), parts[-1]
    new = _new_data(parts)
    texts = (part.loss_weights_text for part in parts)
    return StageFact(
        name=last.name,
        first_step=first,
        last_step=first + steps,
        tokens=steps * tokens_per_step,
        new=tuple(new),
        replay_share=float(last.mixture.replay),
        max_lr=last.schedule.peak,
        schedule=str(getattr(last.schedule, "kind", "anneal")),
        shares=tuple(new.values()),
        replayed=tuple(dict.fromkeys(s.corpus for p in parts for s in _sources(p, replay=True))),
        trains=last.trains.text,
        loss_weights="; then ".join(dict.fromkeys(filter(None, texts))),
    )


def _new_data(parts: Sequence[ChainStage]) -> dict[str, float]:
    """Each corpus' share of the new data of all parts together; they sum to 1."""
    if len(parts) == 1:
        return {
            source.corpus: float(parts[0].mixture.weight(source, parts[0].steps))
            for source in _sources(parts[0], replay=False)
        }
    amounts: dict[str, float] = {}
    for part in parts:
        rows = float(part.steps * (1 - part.mixture.replay))
        for source in _sources(part, replay=False):
            share = float(part.mixture.weight(source, part.steps))
            amounts[source.corpus] = amounts.get(source.corpus, 0.0) + share * rows
    total = sum(amounts.values())
    return {corpus: amount / total for corpus, amount in amounts.items()}


def _sources(stage: ChainStage, replay: bool) -> list[Source]:
    return [source for source in stage.mixture.sources if source.replay == replay]
