"""The merged models of a sweep: of each recipe's end with what the recipe names under `merge`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from raycl.errors import InputError, shown, within
from raycl.plan.merge_method import START, MergeMethod, merged_name
from raycl.plan.training import Training
from raycl.recipe.schema import Merge, Recipe
from raycl.recipe.variants import Variant
from raycl.states.lookup import STATE_NAME
from raycl.storage import layout

_SHOWN = 18


@dataclass(frozen=True)
class PlannedMerge:
    """One merged state of a sweep."""

    label: str
    """The name of its row in the results."""
    recipe: str
    """Label of the recipe whose end is merged."""
    state: str
    """The recipe's end state."""
    partner: str
    """What it is merged with, as the recipe says it."""
    base: str
    """The same as a state, or as the folder in the storage of a pretrained model."""
    method: MergeMethod

    @cached_property
    def name(self) -> str:
        """The name of the merged state."""
        return merged_name(self.method, self.base, [self.state])

    @property
    def fields(self) -> dict[str, Any]:
        """What the results say of it, beside the fields of its recipe."""
        method = self.method
        number = "merge.weight" if method.density is None else "merge.density"
        value = float(method.weight if method.density is None else method.density)
        return {"merge.with": self.partner, "merge.method": method.kind, number: value}

    @property
    def needs(self) -> tuple[str, ...]:
        """The states that it is made of."""
        is_start = self.base.startswith(layout.start(""))
        return (self.state,) if is_start else (self.base, self.state)


def planned_merges(
    recipe: Recipe, variants: Sequence[Variant], trainings: Mapping[str, Training]
) -> tuple[PlannedMerge, ...]:
    """The merges of a sweep: of its recipes, and of the anneal branches that leave its last stage.

    Raises InputError for a partner that a recipe does not have.
    """
    last = recipe.stages[-1].name
    found = [
        made
        for variant in variants
        if variant.kind == "sweep" or _leaves(variant, last)
        for merge in recipe.merge
        for made in _of_recipe(merge, variant.label, trainings[variant.label])
    ]
    _check_labels([*(variant.label for variant in variants), *(made.label for made in found)])
    return tuple(found)


def _leaves(variant: Variant, stage: str) -> bool:
    """Whether it is an anneal branch off this stage."""
    return variant.kind == "anneal" and variant.branch is not None and variant.branch.stage == stage


def _of_recipe(merge: Merge, label: str, training: Training) -> Iterator[PlannedMerge]:
    chain = training.chain
    with within("merge.with"):
        base = base_of(merge.partner, training)
    partner = merge.partner[:_SHOWN] if STATE_NAME.fullmatch(merge.partner) else merge.partner
    word = "merged" if merge.method == "linear" else merge.method
    for method in merge.methods:
        title = f"{label}, {word} {method.text} with {partner}"
        yield PlannedMerge(title, label, chain.name(chain.steps), merge.partner, base, method)


def base_of(partner: str, training: Training) -> str:
    """The state, or the folder of the pretrained model, that a recipe's word means."""
    chain, spec = training.chain, training.model
    ends = dict(zip((stage.name for stage in chain.stages), chain.starts[1:], strict=True))
    *earlier, last = ends
    if partner == START and START in ends:
        problem = "a stage has this name, and so has the model from which training begins"
        raise InputError(START, problem, "Give the stage another name")
    if partner in earlier:
        return chain.name(ends[partner])
    if partner == last:
        remedy = f"Give {', '.join([*earlier, START])}"
        raise InputError(partner, "a recipe ends with this stage, and it is what is merged", remedy)
    if STATE_NAME.fullmatch(partner):
        return partner
    if partner != START:
        remedy = f"Give {', '.join([START, *earlier])}, or the whole name of a state"
        raise InputError(shown(partner), "no stage and no state", remedy)
    if spec.pretrained is None:
        remedy = f"Give {' or '.join(earlier) or 'the name of a state'}"
        raise InputError(START, "the recipe begins from random weights, which know nothing", remedy)
    return layout.start(spec.pretrained)


def _check_labels(labels: Sequence[str]) -> None:
    """Raise InputError where two rows have one label: results are found by it."""
    twice = sorted(label for label, count in Counter(labels).items() if count > 1)
    if twice:
        remedy = "Give each partner and method once"
        raise InputError("merge", f"two rows are called {shown(twice[0])}", remedy)
