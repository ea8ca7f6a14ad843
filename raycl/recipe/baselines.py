"""Baselines: recipes that a sweep is compared with, each made from the sweep's own recipe."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from raycl.errors import InputError
from raycl.plan.frozen import frozen
from raycl.plan.trained import ALL
from raycl.recipe.ending import (
    annealed_like,
    branch_steps,
    falling_part,
    never_falls,
    trunk_steps,
)
from raycl.recipe.lengths import trained_steps
from raycl.recipe.mixtures import changing_at_steps, mean_shares, shares
from raycl.recipe.schema import ChangingMixture, Model, Recipe, Stage, Workers
from raycl.recipe.stand_ins import stand_in_weights

Baseline = Literal["union", "scratch", "previous"]


def baseline(kind: Baseline, base: Recipe) -> tuple[str, Recipe]:
    """Label and recipe of a baseline, which is trained to the end of its last stage's `anneal`.

    Where recipes are annealed, by branches or by their last stage, a baseline on a plateau is
    annealed as they are, and it has as many tokens as they have with their anneal. Raises
    InputError where the recipe has only one stage and a start that knows nothing.
    """
    if len(base.stages) < 2 and not base.model.knows:
        raise InputError(
            f"baselines {kind!r}",
            "the recipe has one stage",
            "Baselines need two or more, or a pretrained model with model.knows",
        )
    last = base.stages[-1]
    if kind == "previous":
        label = f"{' + '.join(stage.name for stage in base.stages[:-1])} only"
        return label, _of_stages(base, (*base.stages[:-2], _before_last(base)))
    if kind == "union" and base.model.knows:
        return "union with stand-ins", _of_stages(base, (_with_stand_ins(base, _union(base)),))
    if kind == "union":
        return "union", _of_stages(base, (_union(base),))
    recipe = _of_stages(base, (_scratch(base),))
    return f"{last.name} from scratch", recipe.model_copy(update={"model": _untrained(base.model)})


def _of_stages(base: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    # A baseline is one recipe: without a sweep, without baselines, annealed at its end alone.
    plain = (*(stage.model_copy(update={"anneal": None}) for stage in stages[:-1]), stages[-1])
    return base.model_copy(update={"stages": plain, "sweep": (), "search": None, "baselines": ()})


def _before_last(base: Recipe) -> Stage:
    """The stage before the last one, annealed as its own branches are, or else as the last is."""
    stage, last = changing_at_steps(base, base.stages[-2]), base.stages[-1]
    own = stage if stage.anneal is not None else last
    tail = falling_part(base, own) if own.anneal is not None else None
    if tail is None or not never_falls(stage):
        return stage.model_copy(update={"anneal": None})
    return annealed_like(stage, trained_steps(base, stage), tail, branch_steps(base, own))


def _union(base: Recipe) -> Stage:
    """One stage from the recipe's start on the new data of all stages, as long as all together.

    Each corpus has the share that it has of the new data over the whole recipe. It trains what all
    stages train; where they differ every weight, since no part has a claim to all of the data.
    """
    *earlier, last = base.stages
    lengths = [*(trained_steps(base, stage) for stage in earlier), trunk_steps(base, last)]
    total = sum(lengths)
    mixture: dict[str, Fraction] = {}
    for stage, steps in zip(base.stages, lengths, strict=True):
        for corpus, share in mean_shares(base, stage, steps).items():
            mixture[corpus] = mixture.get(corpus, Fraction(0)) + share * Fraction(steps, total)
    first = base.stages[0]
    repeats = any(stage.at_end == "repeat" or stage.max_epochs for stage in base.stages)
    union = first.model_copy(
        update={
            "name": "union",
            "trains": first.trains if len({stage.trains for stage in base.stages}) == 1 else ALL,
            "mixture": frozen(mixture),
            "loss_weight": frozen({}),  # stages may weigh one corpus differently
            "stop_after": None,
            "at_end": "repeat" if repeats else first.at_end,
            "max_epochs": None,
            "workers": _most_workers(base),
        }
    )
    return annealed_like(union, total, falling_part(base, last), branch_steps(base, last))


def _with_stand_ins(base: Recipe, union: Stage) -> Stage:
    """The union of a model that was trained before: half of each batch are its stand-ins.

    What it was trained on is there in full nowhere, and by tokens the new data would be nothing
    beside it. Half and half is how the average of results weighs old and new. Stand-ins are read
    as replay, again from the beginning where they end. Raises InputError where nothing is new.
    """
    knows = base.model.knows
    fresh = {corpus: share for corpus, share in shares(union).items() if corpus not in knows}
    if not fresh:
        raise InputError(
            "baselines 'union'",
            "all data of the stages stand in for what the model knows, so there is nothing to add",
            "Leave out this baseline",
        )
    total = sum(fresh.values())
    halves = {corpus: weight / 2 for corpus, weight in stand_in_weights(base).items()}
    return union.model_copy(
        update={
            "mixture": frozen({corpus: share / total for corpus, share in fresh.items()}),
            "replay": frozen(halves),
            "replay_from": "seen",
        }
    )


def _most_workers(base: Recipe) -> Workers:
    """The range of workers whose ends are the largest among all stages."""
    ranges = [stage.workers for stage in base.stages]
    return Workers(min=max(w.min for w in ranges), max=max(w.max for w in ranges))


def _untrained(model: Model) -> Model:
    """The same model with random weights, which know nothing."""
    if model.pretrained is None:
        return model
    return model.model_copy(update={"weights": "random", "knows": frozen({})})


def _scratch(base: Recipe) -> Stage:
    """The last stage's new data alone, from random weights, with the first stage's schedule.

    The first stage starts there too, so its schedule is the one that fits.
    """
    last = changing_at_steps(base, base.stages[-1])
    changes = isinstance(last.mixture, ChangingMixture)
    update = {
        "mixture": last.mixture if changes else frozen(shares(last)),
        "replay": Fraction(0),
        "loss_weight": frozen({}),
        "schedule": base.stages[0].schedule,
        "trains": ALL,  # random weights that are frozen would stay random
    }
    if last.max_epochs and last.at_end != "stop":
        # Without replay it reads more of the corpus, as many tokens as the recipe has in all.
        update |= {"at_end": "repeat", "max_epochs": None}
    scratch, tail = last.model_copy(update=update), falling_part(base, last)
    if last.anneal is None and (tail is None or not never_falls(scratch)):
        return scratch
    return annealed_like(scratch, trunk_steps(base, last), tail, branch_steps(base, last))
