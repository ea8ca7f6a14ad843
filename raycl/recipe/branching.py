"""A recipe that leaves another one of its sweep, as `raycl branch` adds it: planned, then recorded.

Whatever comes before is the other recipe's own, under the same names, so that none of it is trained
again. Nothing is written before the branch has been planned over the storage like any recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from raycl.errors import InputError, within
from raycl.plan.frozen import thawed
from raycl.recipe.branch_fields import Sets, by_stage, departed_fields, plain_fields
from raycl.recipe.branch_place import Wanted, departed_recipe, place_of_departure, span_of
from raycl.recipe.definition import Definition, with_proposals
from raycl.recipe.lengths import trained_steps
from raycl.recipe.load import input_error, parse_recipe, with_field
from raycl.recipe.proposals import HAND, Departure, Proposal, add_proposal
from raycl.recipe.rates import check_rates
from raycl.recipe.resolution import Resolution, stored_resolution
from raycl.recipe.schema.change import StageChange
from raycl.recipe.search import points_of
from raycl.recipe.stage_changes import changed, forms
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.recipe.variants import Variant
from raycl.states.kept import keep_state
from raycl.storage import Storage


@dataclass(frozen=True)
class Branching:
    """A branch that can be recorded, or that is there already."""

    sweep: str
    label: str
    fields: Mapping[str, Any]
    departure: Departure
    stage: str
    """The stage that it changes first."""
    state: str | None
    """The state from which it goes on inside the stage; None where it begins the stage anew."""
    steps: int
    """Steps of its chain in all."""
    to_train: int
    """Steps that the sweep has to train for it alone."""
    known: bool = False
    """Whether the sweep has a recipe of the same steps, whose label it then has."""


def plan_branch(storage: Storage, wanted: Wanted) -> Branching:
    """The branch, planned over what the storage holds; nothing is written.

    Raises InputError where it cannot be trained, changes nothing, or changes what is over.
    """
    definition = read_recipe(storage, wanted.sweep)
    resolution = stored_resolution(storage, wanted.sweep)
    before = plan_sweeps((definition,), storage, resolution=resolution)
    variant = departed_recipe(definition, wanted)
    whole = before.sweeps[0].trainings[variant.label]
    sets = by_stage(variant.recipe, wanted.sets)
    if not sets:
        raise InputError("--set", "nothing is changed", "Give a field: --set german.replay=10%")
    stage = next(iter(sets))
    begin, end = span_of(whole, stage)
    if end <= wanted.first:
        raise InputError(
            f"--set {stage}.{next(iter(sets[stage]))}",
            f"the stage {stage} is over where the node begins, after {wanted.first} steps",
            f"Name a node of the stage {stage}, or set a field of a later stage",
        )
    written = _Written.of(definition, variant)
    new_end = _new_end(variant, stage, sets[stage], (begin, end))
    step = place_of_departure(storage, wanted, whole, (begin, end, new_end))
    if step == begin:
        fields = plain_fields(variant.recipe, written.fields, sets)
    else:
        own, later = sets[stage], {name: each for name, each in sets.items() if name != stage}
        fields = departed_fields(written.data, written.fields, stage, own, step - begin)
        fields = plain_fields(variant.recipe, fields, later)
    departure = Departure(recipe=variant.label, step=step)
    state = None if step == begin else whole.chain.name(step)
    return _planned(storage, before, resolution, _Draft(fields, departure, stage, state))


def _new_end(variant: Variant, stage: str, own: Sets, span: tuple[int, int]) -> int:
    """Where the stage ends in the branch, in steps of the chain. Raises InputError."""
    begin, end = span
    lengths = {name: own[name] for name in ("steps", "tokens", "stop_after") if name in own}
    if not lengths:
        return end
    try:
        change = StageChange.model_validate({"from": "1 steps", **lengths})
    except ValidationError as error:
        with within(f"--set {stage}"):
            raise input_error(error) from error
    form = forms(next(entry for entry in variant.recipe.stages if entry.name == stage))[-1]
    return begin + trained_steps(variant.recipe, changed(form, change))


@dataclass(frozen=True)
class _Written:
    """A recipe as it is written: its fields beside the file's, and the file's data with them."""

    fields: dict[str, Any]
    data: dict[str, Any]

    @classmethod
    def of(cls, definition: Definition, variant: Variant) -> _Written:
        points = points_of(definition.recipe, definition.proposals)
        label = variant.label
        point = next(p for p in points if (p.label or definition.recipe.name) == label)
        fields = {field: thawed(value) for field, value in point.fields.items()}
        return cls(fields, _with_fields(definition, fields))


@dataclass(frozen=True)
class _Draft:
    """A branch before it was planned."""

    fields: dict[str, Any]
    departure: Departure
    stage: str
    state: str | None


def _planned(
    storage: Storage, before: SweepPlan, resolution: Resolution, draft: _Draft
) -> Branching:
    """The branch, after the sweep was planned with it. Raises InputError."""
    definition = before.sweeps[0].definition
    number = max((added.number for added in definition.proposals), default=-1) + 1
    sweep = definition.recipe.name
    added = Proposal(
        number=number, fields=draft.fields, source=HAND, departure=draft.departure, sweep=sweep
    )
    _check_written(definition, draft.fields)
    larger = with_proposals(definition, (*definition.proposals, added))
    variant = next(v for v in larger.proposed(number) if v.kind == "sweep")
    check_rates([variant.recipe], definition.where)
    after = plan_sweeps((larger,), storage, before.sweeps[0].manifests, resolution)
    chain = after.sweeps[0].trainings[variant.label].chain
    same = _same(before, chain.name(chain.steps))
    if same == draft.departure.recipe:
        raise InputError(
            "--set",
            f"it changes no step of the recipe {same!r} after step {draft.departure.step}",
            "Give another value, or a field on which steps depend",
        )
    return Branching(
        sweep,
        same or variant.label,
        draft.fields,
        draft.departure,
        draft.stage,
        draft.state,
        steps=chain.steps,
        to_train=_left(after) - _left(before),
        known=same is not None,
    )


def _check_written(definition: Definition, fields: Sets) -> None:
    """Raise InputError, which names the field, where a value is not valid."""
    parse_recipe(_with_fields(definition, fields), "--set")


def _with_fields(definition: Definition, fields: Sets) -> dict[str, Any]:
    """The data of one recipe of the sweep."""
    data: dict[str, Any] = {**definition.data, "sweep": [], "search": None, "baselines": []}
    for field, value in fields.items():
        data = with_field(data, field, value, definition.where)
    return data


def _same(plan: SweepPlan, end: str) -> str | None:
    """The label of a recipe of the sweep that ends with this state."""
    found = plan.sweeps[0].trainings.items()
    return next((label for label, t in found if t.chain.name(t.chain.steps) == end), None)


def _left(plan: SweepPlan) -> int:
    return sum(node.steps - plan.stored.done(node) for node in plan.left)


def record_branch(storage: Storage, branch: Branching) -> Proposal:
    """Keep the state that the branch goes on from, and add the branch to its sweep.

    Raises InputError where the state has gone meanwhile.
    """
    if branch.state is not None:
        keep_state(storage, branch.state)
    return add_proposal(storage, branch.sweep, branch.fields, HAND, branch.departure)
