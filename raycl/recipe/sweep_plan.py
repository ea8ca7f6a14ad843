"""All facts about one or several sweeps and their storage, read once and handed down.

A command builds a `SweepPlan` when it begins, and once more when preparation has made corpora:
the names of all states depend on what the corpora hold.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from raycl.data.manifest import Manifest
from raycl.errors import InputError, within
from raycl.plan.cost import Plan, check_nodes, make_plan
from raycl.plan.execution import Device
from raycl.plan.graft import graft
from raycl.plan.holding import Holding
from raycl.plan.model_facts import ModelFacts
from raycl.plan.planned_memory import Place, on_gpus
from raycl.plan.scaling import Machine
from raycl.plan.stored import StoredTree, states_gone_on_from
from raycl.plan.training import Training, chains_of
from raycl.plan.tree import Node, Tree, build_tree
from raycl.recipe.definition import (
    LEAST_SHARED,
    Definition,
    check_bindings,
    facts_from,
    is_prepared,
    read_manifests,
    trainings,
)
from raycl.recipe.merge_search import PlannedMergeSearch, planned_search
from raycl.recipe.merges import PlannedMerge, planned_merges
from raycl.recipe.resolution import Resolution, read_resolution
from raycl.recipe.rungs import recipe_rungs
from raycl.recipe.schema import Recipe
from raycl.recipe.schema.corpus import WHOLE
from raycl.recipe.stage_rows import CorpusFacts
from raycl.states.lookup import list_states
from raycl.states.reduced import holdings
from raycl.storage import Storage


@dataclass(frozen=True)
class PlannedSweep:
    """One recipe file with its corpora and the whole training of each of its recipes."""

    definition: Definition
    manifests: Mapping[str, Manifest]
    """Manifests of the recipe's prepared corpora, by the name of the corpus."""
    facts: Mapping[str, CorpusFacts]
    trainings: Mapping[str, Training]
    """Trainings by the label of their recipe."""
    merges: tuple[PlannedMerge, ...] = ()
    """Merged states, which are made when their recipes are trained."""
    merge_search: PlannedMergeSearch | None = None
    """The search for the best merge, which follows them."""

    @property
    def name(self) -> str:
        """The name of the sweep, under which storage keeps its description and results."""
        return self.definition.recipe.name


@dataclass(frozen=True)
class SweepPlan:
    """One or several sweeps as one tree, and the states that storage held when it was made."""

    sweeps: tuple[PlannedSweep, ...]
    tree: Tree
    states: frozenset[str]
    """Names of the complete states of the storage."""
    resolution: Resolution = field(default_factory=Resolution)
    """What the recipes left open, as the command has found it."""
    models: Mapping[str, ModelFacts] = field(default_factory=dict)
    """Facts of the models that were looked into, by `facts_key`."""
    place: Place | None = None
    """What the workers train on, where more of it is known than the device."""
    holdings: Mapping[str, Holding] = field(default_factory=dict)
    """What states on the tree hold that do not hold all of their training."""

    @cached_property
    def stored(self) -> StoredTree:
        """The tree beside the states of the storage."""
        return StoredTree(self.tree, self.states, self.holdings)

    @cached_property
    def cost(self) -> Plan:
        """Steps, tokens, FLOPs and memory of the tree, and how much of it storage holds."""
        place = self.place or Place(self.resolution.device)
        return make_plan(self.tree, self.states, self.models, place, self.holdings)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences to tell the user: on the checkpoints, and on what is in them, each once."""
        of_models = (note for facts in self.models.values() for note in facts.notes)
        return tuple(dict.fromkeys([*self.resolution.notes, *of_models]))

    @cached_property
    def is_prepared(self) -> bool:
        """Whether corpora have shards, and the model its tokens: states have their true names."""
        prepared = all(is_prepared(sweep.facts) for sweep in self.sweeps)
        return prepared and not self.resolution.unmade

    @cached_property
    def is_trained(self) -> bool:
        """Whether no node is left to train."""
        return not self.left

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """Those of all sweeps, by the name of the corpus."""
        return {name: found for sweep in self.sweeps for name, found in sweep.manifests.items()}

    @cached_property
    def facts(self) -> dict[str, CorpusFacts]:
        """Those of all sweeps' corpora, by name."""
        return {name: found for sweep in self.sweeps for name, found in sweep.facts.items()}

    def with_states(self, names: Collection[str]) -> SweepPlan:
        """The same plan when storage holds the states `names`."""
        return replace(self, states=frozenset(names))

    def with_models(self, models: Mapping[str, ModelFacts]) -> SweepPlan:
        """The same plan with the facts of models that were looked into."""
        return replace(self, models=models)

    @property
    def left(self) -> tuple[Node, ...]:
        """The nodes whose end state storage lacks, or has with less than is needed."""
        return tuple(n for n in self.tree.nodes if n.name not in self.stored.finished)

    @property
    def to_train(self) -> Tree:
        """The tree, in which nodes say what their ends must hold to count as finished."""
        least = self.stored.least
        return replace(self.tree, nodes=tuple(_with_least(n, least) for n in self.tree.nodes))

    def on_gpus(self, machine: Machine | None) -> SweepPlan:
        """The same plan on GPUs of a known kind; None changes nothing.

        Raises InputError where a node that is left to train has no room.
        """
        if machine is None:
            return self
        check_nodes(self.left, self.models, machine, self.sweeps[0].definition.where)
        return replace(self, place=on_gpus(machine))

    def on_cpus(self, room: float) -> SweepPlan:
        """The same plan on CPUs, of whose memory each worker may take `room` bytes."""
        return replace(self, place=Place("cpu", room))

    def tree_label(self, sweep: PlannedSweep, label: str) -> str:
        """The label that a recipe of a sweep has in the tree."""
        return _tree_label(self.sweeps, sweep, label)

    def subtree(self, sweep: PlannedSweep) -> Tree:
        """The part of the tree along which one sweep's recipes run, under their own labels."""
        if self.sweeps == (sweep,):
            return self.tree
        own = {_joint_label(sweep, label): label for label in sweep.trainings}
        nodes = tuple(
            replace(node, recipes=tuple(own[label] for label in node.recipes if label in own))
            for node in self.tree.nodes
            if any(label in own for label in node.recipes)
        )
        recipes = {own[label]: t for label, t in self.tree.recipes.items() if label in own}
        return Tree(nodes, recipes)


def plan_sweeps(
    definitions: Sequence[Definition],
    storage: Storage | None,
    manifests: Mapping[str, Manifest] | None = None,
    resolution: Resolution | None = None,
) -> SweepPlan:
    """The plan of all definitions over what storage holds; without one, nothing is prepared.

    `manifests` are those of `read_manifests`, where they have been read already, and `resolution`
    what the recipes leave open; without it checkpoints are read here, and workers have CPUs.
    Requests: a read of each manifest, two for each corpus' binding, one listing of the states, and
    a read of each mark that may hold too little to go on from.
    Raises InputError where a recipe cannot be trained, or its corpora are not what states here were
    trained on.
    """
    if manifests is None:
        manifests = read_manifests(definitions, storage)
    if storage is not None:
        check_bindings(storage, manifests)
    if resolution is None:
        resolution = resolve_inputs(definitions, storage)
    sweeps = tuple(_planned(definition, manifests, resolution) for definition in definitions)
    tree = _tree(sweeps)
    if storage is None:
        return SweepPlan(sweeps, tree, frozenset(), resolution)
    listing = list_states(storage)
    found = holdings(storage, states_gone_on_from(tree, listing.reduced))
    return SweepPlan(sweeps, tree, frozenset(listing.bytes), resolution, holdings=found)


def _with_least(node: Node, least: Mapping[str, Holding]) -> Node:
    if node.name not in least:
        return node
    return replace(node, training=replace(node.training, least=least[node.name]))


def resolve_inputs(
    definitions: Sequence[Definition], storage: Storage | None, device: Device = "cpu"
) -> Resolution:
    """What the recipes of all definitions leave open, read where the command runs.

    Raises InputError where a checkpoint is not there or cannot be used.
    """
    recipes = [recipe for made in definitions for recipe in made.examples]
    return read_resolution(recipes, storage, device)


def _planned(
    definition: Definition, manifests: Mapping[str, Manifest], resolution: Resolution
) -> PlannedSweep:
    own = {name: manifests[name] for name in definition.material.corpora if name in manifests}
    facts = facts_from(definition, own)
    made = trainings(definition, facts, resolution)
    with within(definition.where):
        merges = planned_merges(definition.recipe, definition.variants, made)
        search = planned_search(definition.recipe, definition.variants, made)
    return PlannedSweep(definition, own, facts, made, merges, search)


def _tree(sweeps: Sequence[PlannedSweep]) -> Tree:
    if len(sweeps) == 1:
        with within(sweeps[0].definition.where):
            return _joined(sweeps)
    return _joined(sweeps)


def _joined(sweeps: Sequence[PlannedSweep]) -> Tree:
    """The tree of the recipe files, to which the recipes that were added are grafted in order.

    Every command and every process then finds the same nodes, whenever a recipe was added.
    """
    base: dict[str, Training] = {}
    later: dict[str, Training] = {}
    cuts: dict[str, tuple[int, ...]] = {}
    for sweep in sweeps:
        named = {v.label: _tree_label(sweeps, sweep, v.label) for v in sweep.definition.variants}
        for variant in sweep.definition.variants:
            group = later if variant.proposals else base
            group[named[variant.label]] = sweep.trainings[variant.label]
        found = recipe_rungs(sweep.definition, chains_of(sweep.trainings))
        cuts |= {named[label]: rungs.steps for label, rungs in found.items()}
    tree = build_tree(base, LEAST_SHARED)
    return graft(tree, later, cuts).tree if later else tree


def _tree_label(sweeps: Sequence[PlannedSweep], sweep: PlannedSweep, label: str) -> str:
    return label if len(sweeps) == 1 else _joint_label(sweep, label)


def _joint_label(sweep: PlannedSweep, label: str) -> str:
    """The label of a recipe in a tree of several sweeps, two of which may use the same label."""
    return f"{sweep.name}: {label}"


def joint_recipe(definitions: Sequence[Definition]) -> Recipe:
    """One recipe with the corpora of all definitions, to prepare them with one tokenizer.

    Raises InputError where two of them mean different things by a name.
    """
    corpora: dict[str, Any] = {}
    first = definitions[0].recipe
    for definition in definitions:
        recipe, where = definition.recipe, definition.where
        if (recipe.tokenizer, recipe.sequence_length) != (first.tokenizer, first.sequence_length):
            raise InputError(
                f"{where}: tokenizer or sequence_length",
                f"not that of {definitions[0].where}",
                "Recipes that are trained in one go need the same ones",
            )
        for name, corpus in definition.material.corpora.items():
            corpus = corpus.model_copy(update={"sample": WHOLE})  # which prepares nothing else
            if corpora.setdefault(name, corpus) != corpus:
                raise InputError(
                    f"{where}: corpora.{name}",
                    "another recipe file defines it differently",
                    "Make them equal, or give it another name",
                )
    return first.model_copy(update={"corpora": corpora})
