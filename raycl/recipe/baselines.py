"""Baselines: recipes that a sweep is compared with, each made from the sweep's own recipe."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from raycl.errors import InputError
from raycl.plan.frozen import frozen
from raycl.recipe.lengths import shares, trained_steps
from raycl.recipe.schema import Recipe, Stage, Workers

Baseline = Literal["union", "scratch", "previous"]


def baseline(kind: Baseline, base: Recipe) -> tuple[str, Recipe]:
    """Label and recipe of a baseline. Raises InputError where the recipe has only one stage."""
    if len(base.stages) < 2:
        raise InputError(
            f"baselines {kind!r}", "the recipe has one stage", "Baselines need two or more"
        )
    last = base.stages[-1]
    if kind == "previous":
        label = f"{' + '.join(stage.name for stage in base.stages[:-1])} only"
        return label, _of_stages(base, base.stages[:-1])
    if kind == "union":
        return "union", _of_stages(base, (_union(base),))
    return f"{last.name} from scratch", _of_stages(base, (_scratch(base),))


def _of_stages(base: Recipe, stages: tuple[Stage, ...]) -> Recipe:
    # A baseline is one recipe: without anneal branches, without a sweep, without baselines.
    plain = tuple(stage.model_copy(update={"anneal": None}) for stage in stages)
    return base.model_copy(update={"stages": plain, "sweep": (), "baselines": ()})


def _union(base: Recipe) -> Stage:
    """One stage from scratch on the new data of all stages, as long as all stages together.

    Each corpus has the share that it has of the new data over the whole recipe.
    """
    lengths = [trained_steps(base, stage) for stage in base.stages]
    total = sum(lengths)
    mixture: dict[str, Fraction] = {}
    for stage, steps in zip(base.stages, lengths, strict=True):
        for corpus, share in shares(stage).items():
            mixture[corpus] = mixture.get(corpus, Fraction(0)) + share * Fraction(steps, total)
    first = base.stages[0]
    repeats = any(stage.at_end == "repeat" for stage in base.stages)
    return first.model_copy(
        update={
            "name": "union",
            "mixture": frozen(mixture),
            "steps": total,
            "tokens": None,
            "stop_after": None,
            "at_end": "repeat" if repeats else first.at_end,
            "workers": _most_workers(base),
        }
    )


def _most_workers(base: Recipe) -> Workers:
    """The range of workers whose ends are the largest among all stages."""
    ranges = [stage.workers for stage in base.stages]
    return Workers(min=max(w.min for w in ranges), max=max(w.max for w in ranges))


def _scratch(base: Recipe) -> Stage:
    """The last stage's new data alone, from random weights, with the first stage's schedule.

    The first stage starts there too, so its schedule is the one that fits.
    """
    last = base.stages[-1]
    mixture = shares(last)
    return last.model_copy(
        update={
            "mixture": frozen(mixture),
            "replay": Fraction(0),
            "schedule": base.stages[0].schedule,
        }
    )
