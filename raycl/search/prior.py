"""What a storage knows about the points of a search before it proposes any."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from raycl.errors import InputError
from raycl.recipe import CorpusFacts, Recipe, Variant
from raycl.recipe.definition import Definition, corpus_facts, trainings, with_proposals
from raycl.recipe.proposals import Proposal
from raycl.recipe.resolution import Resolution
from raycl.recipe.space import Axis, Choices, Space, corners, has_value
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.recipe.variants import field_value
from raycl.results.gather import gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.states.lookup import list_states
from raycl.states.tree_record import stored_sweeps
from raycl.storage import Storage


def outcomes_by_number(
    definition: Definition, storage: Storage, resolution: Resolution
) -> dict[int, RecipeOutcome]:
    """The outcome of each proposal that the definition has, as far as storage holds it."""
    if not definition.variants:
        return {}
    plan = plan_sweeps((definition,), storage, resolution=resolution)
    found = {o.label: o for o in gather(plan.sweeps[0], StoredStates(storage, plan.states))}
    trunks = (variant for variant in definition.variants if variant.kind == "sweep")
    return {number: found[each.label] for each in trunks for number in each.proposals}


def points_elsewhere(
    definition: Definition, space: Space, storage: Storage
) -> list[dict[str, Any]]:
    """The points of the space at which recipes of other sweeps in the storage are, each once.

    The recipes may differ from the definition's in other fields too: whether they are trained is
    told by the names of their states.
    """
    choices = _choice_values(definition, space)
    found: dict[str, dict[str, Any]] = {}
    for variant in _other_variants(storage, definition.recipe.name):
        fields = _fields_of(variant.recipe, space, choices)
        if fields is not None:
            found.setdefault(space.key(fields), fields)
    return list(found.values())


def outcomes_elsewhere(
    definition: Definition,
    points: Sequence[dict[str, Any]],
    storage: Storage,
    resolution: Resolution,
) -> list[tuple[dict[str, Any], RecipeOutcome]]:
    """The points that are trained to their end, each with its outcome as this sweep measures it."""
    facts = corpus_facts(definition, storage)
    states = frozenset(list_states(storage).bytes)
    made = []
    for number, fields in enumerate(points):
        sweep = definition.recipe.name
        proposal = Proposal(number=number, fields=fields, source="known", sweep=sweep)
        with suppress(InputError):  # it fits field by field, and is no recipe as a whole
            alone = with_proposals(definition, (proposal,))
            if _ends(alone, facts, resolution) <= states:
                made.append(proposal)
    outcomes = outcomes_by_number(with_proposals(definition, made), storage, resolution)
    return [(points[number], outcome) for number, outcome in sorted(outcomes.items())]


def _ends(
    definition: Definition, facts: Mapping[str, CorpusFacts], resolution: Resolution
) -> set[str]:
    """The last states of all proposals. Raises InputError."""
    trained = trainings(definition, facts, resolution)
    chains = [trained[v.label].chain for v in definition.variants if v.proposals and not v.branch]
    return {chain.name(chain.steps) for chain in chains}


def left_alone(definition: Definition, number: int, plan: SweepPlan) -> int:
    """Steps that are left to train for one proposal, and for no other recipe of the plan."""
    own = {v.label for v in definition.proposed(number) if v.proposals == (number,)}
    nodes = (node for node in plan.tree.nodes if own.issuperset(node.recipes))
    return sum(node.steps - plan.stored.done(node) for node in nodes)


def _other_variants(storage: Storage, sweep: str) -> Iterator[Variant]:
    """The recipes of all other sweeps; a sweep whose recipe cannot be read is passed over."""
    for name in stored_sweeps(storage):
        if name == sweep:
            continue
        with suppress(InputError, FileNotFoundError):
            yield from (v for v in read_recipe(storage, name).variants if v.kind == "sweep")


def _choice_values(definition: Definition, space: Space) -> dict[str, list[Any]]:
    """What each value of a list becomes in a recipe, by field."""
    found: dict[str, list[Any]] = {f: [] for f, a in space.axes.items() if isinstance(a, Choices)}
    tried = iter(corners(definition.data, definition.recipe))
    for field, axis in space.axes.items():
        for _ in axis.values if isinstance(axis, Choices) else range(2):
            _, recipe = next(tried)
            if field in found:
                found[field].append(field_value(recipe, field))
    return found


def _fields_of(
    recipe: Recipe, space: Space, choices: Mapping[str, Sequence[Any]]
) -> dict[str, Any] | None:
    """The point of the space at which a recipe is; None where a field has another value."""
    found = {}
    for field, axis in space.axes.items():
        value = field_value(recipe, field)
        value = _written_choice(axis, value, choices[field]) if field in choices else value
        if value is None or not has_value(axis, value):
            return None
        found[field] = value
    return found


def _written_choice(axis: Axis, value: Any, made: Iterable[Any]) -> Any:
    """The value of a list that becomes `value` in a recipe; None where none does."""
    assert isinstance(axis, Choices)
    pairs = zip(axis.values, made, strict=True)
    return next((written for written, known in pairs if known == value), None)
