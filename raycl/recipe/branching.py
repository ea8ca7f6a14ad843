"""A recipe that leaves another one of its sweep, as `raycl branch` adds it: planned, then recorded.

Whatever comes before is the other recipe's own, under the same names, so that none of it is trained
again. Nothing is written before the branch has been planned over the storage like any recipe.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raycl.errors import InputError
from raycl.plan.frozen import thawed
from raycl.plan.state_index import StateIndex
from raycl.plan.training import Training
from raycl.recipe.branch_fields import Sets, by_stage, departed_fields, plain_fields
from raycl.recipe.definition import Definition, with_proposals
from raycl.recipe.load import with_field
from raycl.recipe.proposals import HAND, Departure, Proposal, add_proposal
from raycl.recipe.rates import check_rates
from raycl.recipe.resolution import Resolution, stored_resolution
from raycl.recipe.search import points_of
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.recipe.variants import Variant
from raycl.states.lookup import list_states
from raycl.states.mark import read_mark, remove_state, write_mark
from raycl.states.reduced import holdings
from raycl.storage import Storage, layout

_SHOWN = 6
START = "start"
LATEST = "latest"


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for."""

    sweep: str
    recipes: tuple[str, ...]
    """Labels of the recipes of the node at which one of them is left."""
    sets: Sets
    first: int
    """Steps of its chain before the node."""
    last: int
    """Steps of its chain at the end of the node."""
    at: str = LATEST
    """`start`, `latest`, or the number of a step of its chain."""
    label: str | None = None
    """The recipe that is left; None where the node has only one."""


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
    shared: int
    """Steps of its chain that it shares with the recipe that it leaves."""
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
    variant = _variant(definition, wanted)
    whole = before.sweeps[0].trainings[variant.label]
    sets = by_stage(variant.recipe, wanted.sets)
    if not sets:
        raise InputError("--set", "nothing is changed", "Give a field: --set german.replay=10%")
    stage = next(iter(sets))
    begin, end = _span(whole, stage)
    if end <= wanted.first:
        raise InputError(
            f"--set {stage}.{next(iter(sets[stage]))}",
            f"the stage {stage} is over where the node begins, after {wanted.first} steps",
            f"Name a node of the stage {stage}, or set a field of a later stage",
        )
    written = _Written.of(definition, variant)
    step = _place(storage, wanted, whole, (begin, end, _may_grow(sets[stage])))
    if step == begin:
        fields = plain_fields(variant.recipe, written.fields, sets)
    else:
        own, later = sets[stage], {name: each for name, each in sets.items() if name != stage}
        fields = departed_fields(written.data, written.fields, stage, own, step - begin)
        fields = plain_fields(variant.recipe, fields, later)
    departure = Departure(recipe=variant.label, step=step)
    state = None if step == begin else whole.chain.name(step)
    return _planned(storage, before, resolution, _Draft(fields, departure, stage, state))


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
        data: dict[str, Any] = {**definition.data, "sweep": [], "search": None, "baselines": []}
        fields = {field: thawed(value) for field, value in point.fields.items()}
        for field, value in fields.items():
            data = with_field(data, field, value, definition.where)
        return cls(fields, data)


@dataclass(frozen=True)
class _Draft:
    """A branch before it was planned."""

    fields: dict[str, Any]
    departure: Departure
    stage: str
    state: str | None


def _variant(definition: Definition, wanted: Wanted) -> Variant:
    """The recipe that is left. Raises InputError unless it is one that can be."""
    recipes = [v for v in definition.variants if v.kind == "sweep"]
    if wanted.label is None:
        recipes = [v for v in recipes if v.label in wanted.recipes]
        if len(recipes) == 1:
            return recipes[0]
    labels = "; ".join(v.label for v in recipes[:_SHOWN])
    more = f" and {len(recipes) - _SHOWN} more" if len(recipes) > _SHOWN else ""
    if wanted.label is None and recipes:
        problem = f"{len(recipes)} recipes go through this node"
        raise InputError("NODE", problem, f"Name one with --label: {labels}{more}")
    label = wanted.label or (wanted.recipes[0] if wanted.recipes else "")
    found = next((v for v in definition.variants if v.label == label), None)
    if found is None:
        problem, remedy = "the stored sweep has no such recipe", f"Recipes: {labels}{more}"
    elif found.kind == "anneal":
        problem = f"an anneal branch, which leaves the recipe {found.trunk!r}"
        remedy = f"Name that recipe: --label {shlex.quote(found.trunk)}"
    elif found.kind == "sweep":
        return found
    else:
        problem, remedy = f"a baseline ({found.kind})", "Name a recipe of the sweep itself"
    raise InputError(f"recipe {label!r}", problem, remedy)


def _span(training: Training, stage: str) -> tuple[int, int]:
    """The steps of the chain before a stage, and those at its end."""
    chain = training.chain
    parts = [i for i, part in enumerate(chain.stages) if part.name == stage]
    return chain.starts[parts[0]], chain.starts[parts[-1] + 1]


def _may_grow(own: Sets) -> bool:
    return any(name in own for name in ("steps", "tokens", "stop_after"))


def _place(
    storage: Storage,
    wanted: Wanted,
    whole: Training,
    stage: tuple[int, int, bool],
) -> int:
    """The steps of the chain before the branch: those of the nearest state that it can go on from.

    `stage` is where the stage begins and ends that is changed, and whether it may become longer.
    Where none is inside of it, the branch begins the stage anew.
    """
    begin, end, may_grow = stage
    if wanted.at == START:
        return begin
    last = min(wanted.last, end if may_grow else end - 1, _step_of(wanted))
    listing = list_states(storage)
    found = list(StateIndex(listing.bytes).along(whole.chain, last, above=begin))
    held = holdings(storage, [name for _, name in found if name in listing.reduced])
    return next((step for step, name in found if held.get(name, "all") == "all"), begin)


def _step_of(wanted: Wanted) -> int:
    """The step up to which a state is looked for. Raises InputError for what is no step."""
    if wanted.at == LATEST:
        return wanted.last
    if not (wanted.at.isascii() and wanted.at.isdecimal()):
        remedy = f"Give a step of the recipe's chain, `{START}` or `{LATEST}`"
        raise InputError(f"--at {wanted.at}", "not a step", remedy)
    return int(wanted.at)


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
    larger = with_proposals(definition, (*definition.proposals, added))
    variant = next(v for v in larger.proposed(number) if v.kind == "sweep")
    check_rates([variant.recipe], definition.where)
    after = plan_sweeps((larger,), storage, before.sweeps[0].manifests, resolution)
    trunk = before.sweeps[0].trainings[draft.departure.recipe].chain
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
        shared=chain.divergence(trunk),
        steps=chain.steps,
        to_train=_left(after) - _left(before),
        known=same is not None,
    )


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
        _keep(storage, branch.state)
    return add_proposal(storage, branch.sweep, branch.fields, HAND, branch.departure)


def _keep(storage: Storage, state: str) -> None:
    """Mark a state as one that stays: the training that wrote it may be about to remove it."""
    try:
        mark = read_mark(storage, state)
        if mark.kept:
            return
        write_mark(storage, state, mark.model_copy(update={"kept": True}))
    except FileNotFoundError:
        raise _gone(state) from None
    # Its training removes the mark first and then the files, and may have begun with them.
    if len(storage.list(layout.state(state))) == 1:
        remove_state(storage, state)
        raise _gone(state)


def _gone(state: str) -> InputError:
    problem = "its training has gone on and removed it just now"
    return InputError(f"state {state}", problem, "Run the same command again")
