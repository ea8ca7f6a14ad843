"""Sweeps from recipe to report: what `raycl sweep`, `raycl reproduce` and the jobs do.

Several recipe files can be trained in one go: they are prepared with one tokenizer and trained as
one tree. One file alone is a case of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from raycl.cluster.capacity import (
    cluster_capacity,
    gpu_machine,
    own_capacity,
    refuse_what_never_fits,
)
from raycl.cluster.memory import machine_memory, worker_memory
from raycl.cluster.options import ClusterOptions
from raycl.cluster.worker_needs import WorkerNeeds
from raycl.data.prepare import TextSource
from raycl.data.shards import check_shards
from raycl.plan.cost import Plan, check_machine
from raycl.plan.machines import MACHINES
from raycl.recipe import Recipe
from raycl.recipe.definition import Definition, bind_corpora, read_manifests
from raycl.recipe.epochs import repetition_text, repetitions
from raycl.recipe.one_order import read_in_one_order
from raycl.recipe.rates import rate_notes
from raycl.recipe.resolution import check_starts, store_starts, write_resolution
from raycl.recipe.stand_ins import knows_texts
from raycl.recipe.sweep_plan import SweepPlan, joint_recipe, plan_sweeps, resolve_inputs
from raycl.recipe.trained_again import trained_again
from raycl.states.completeness import missing_files
from raycl.states.earlier import earlier_sentence
from raycl.states.lookup import complete_states
from raycl.storage import Storage, layout
from raycl.sweep.audience import Audience
from raycl.sweep.corpora_of_seeds import report_conflicts
from raycl.sweep.description import write_description
from raycl.sweep.ending import save_seconds
from raycl.sweep.event_printer import printer_of
from raycl.sweep.events import node_label
from raycl.sweep.merge_search import check_searches, search_merges
from raycl.sweep.merges import check_partners, make_merges
from raycl.sweep.new_tokens import make_extensions
from raycl.sweep.notifications.notifier import Notifier, notifying
from raycl.sweep.prepare_corpora import (
    check_corpora,
    prepare_all,
    ready_text,
)
from raycl.sweep.recipe_growth import RecipeGrowth
from raycl.sweep.results import SweepResult, write_all
from raycl.sweep.search import SearchRun
from raycl.sweep.tracking.registry import check_trackers_of
from raycl.sweep.tree_progress import tree_progress
from raycl.sweep.vocabulary import vocabulary_growth
from raycl.train.inspection.inspect_plan import inspected
from raycl.train.inspection.token_notes import token_notes

Report = Callable[[str], None]
OnPlan = Callable[[Plan], None]


@dataclass(frozen=True)
class Trained:
    """The result of training one or several sweeps."""

    plan: SweepPlan
    """The plan, with the states that storage holds after the training."""
    failed: dict[str, str]
    """Reason by failed node or label of a merge; empty where all went well."""


@dataclass(frozen=True)
class _Watcher:
    """The functions that are told of a sweep's progress."""

    report: Report
    on_plan: OnPlan


def sweep(
    definition: Definition,
    storage: Storage,
    options: ClusterOptions | None = None,
    report: Report = print,
    on_plan: OnPlan = lambda _: None,
) -> SweepResult:
    """Prepare what is missing, train what is missing, write the results and the page.

    Bad input is found before a cluster starts, and no cluster starts where nothing is to be done.
    """
    with notifying(definition, storage, report) as notifier:
        trained = train_sweeps((definition,), storage, options, report, on_plan, notifier=notifier)
        result = write_all(trained.plan, storage, trained.failed)
        notifier.ended(result.failed)
    return result


def train_sweeps(  # noqa: PLR0913 (all but two have a default that serves)
    definitions: Sequence[Definition],
    storage: Storage,
    options: ClusterOptions | None = None,
    report: Report = print,
    on_plan: OnPlan = lambda _: None,
    on_cluster: AbstractContextManager[Any] | None = None,
    notifier: Notifier | None = None,
) -> Trained:
    """Prepare and train what storage lacks of all definitions, as one tree; describe each sweep.

    Everything that can be wrong with the recipes is found before a cluster starts; none starts
    where nothing is to be done. `on_cluster` is entered for as long as there is one; `notifier` is
    told what happens to nodes.
    """
    options = options or ClusterOptions()
    watcher = _Watcher(report, on_plan)
    search = SearchRun(storage, report)
    definitions = search.begin(definitions)
    material = joint_recipe(definitions)
    plan = _looked_into(definitions, material, storage, options, report)
    plan, has_work = search.with_work(plan)
    if not has_work:
        store_starts(plan.resolution, storage)
        _begin(plan, storage, watcher)
        report("Nothing to train: every state is in storage already.")
        if not any(planned.merges or planned.merge_search for planned in plan.sweeps):
            return Trained(plan, {})
        failed = make_merges(plan, storage, options, report)
        failed |= search_merges(plan, storage, options, report)
        return Trained(plan.with_states(complete_states(storage)), failed)
    search.check()
    save_seconds()  # which raises where it was given wrongly
    check_trackers_of(plan, storage)
    refuse_what_never_fits(plan.left, WorkerNeeds(), own_capacity(options))
    plan = _with_room(inspected(plan), options)
    for facts in plan.models.values():
        for sentence in facts.notes:
            report(sentence)
    sources = _ready(plan, material, storage, report)
    to = options.address
    report("Starting Ray …" if to is None else f"Connecting to Ray at {to} …")
    with on_cluster or nullcontext():
        # Imported here: planning and reporting must not wait for Ray's import.
        from raycl.cluster.connect import cluster

        with cluster(options):
            if options.gpus:
                there = gpu_machine(options.needs, cluster_capacity(options.needs))
                plan = plan.on_gpus(there)
            if not plan.is_prepared:
                plan = _prepared(plan, material, sources, storage, report)
            bind_corpora(storage, plan.facts)
            _begin(plan, storage, watcher)
            growth = search.growth(plan)
            with search.measuring(options):
                audience = Audience(printer_of(report), notifier)
                failed = _train(plan, storage, options, audience, growth)
            plan = search.grown(plan)
            failed |= search.not_scored
            failed |= make_merges(plan, storage, options, report)
            failed |= search_merges(plan, storage, options, report)
    return Trained(plan.with_states(complete_states(storage)), failed)


def _looked_into(
    definitions: Sequence[Definition],
    material: Recipe,
    storage: Storage,
    options: ClusterOptions,
    report: Report,
) -> SweepPlan:
    """The plan over what storage holds, without states that lack a file. Raises InputError."""
    storage.check_writable()
    manifests = read_manifests(definitions, storage)
    resolution = resolve_inputs(definitions, storage, options.device)
    if resolution.extensions:
        plan_sweeps(definitions, storage, manifests, resolution)  # errors, before a model is made
    resolution = make_extensions(definitions, resolution, storage, manifests, report)
    own = resolution.own_tokenizer
    check_corpora(material, storage, definitions[0].where, manifests, own)
    plan = plan_sweeps(definitions, storage, manifests, resolution)
    check_partners(plan)
    check_searches(plan)
    known = [sentence for made in definitions for sentence in _known(made)]
    for sentence in [*resolution.notes, *known, earlier_sentence(plan.states)]:
        if sentence:
            report(sentence)
    plan = _without_damaged(plan, storage, report)
    again = [read_in_one_order(plan.states, plan.tree), *trained_again(plan.stored, plan.tree)]
    repeated = repetitions(training.chain for training in plan.tree.recipes.values())
    for sentence in [*again, repetition_text(repeated)]:
        if sentence:
            report(sentence)
    return plan


def _known(definition: Definition) -> list[str]:
    """Sentences on what a definition's recipes take for old data at first, and on large rates."""
    recipes = [variant.recipe for variant in definition.variants if not variant.seed]
    return [*knows_texts(definition.recipe, recipes), *rate_notes(recipes)]


def _with_room(plan: SweepPlan, options: ClusterOptions) -> SweepPlan:
    """The plan on what the options say of its machines. Raises InputError where it has no room."""
    if options.gpus:
        return plan.on_gpus(MACHINES.get(options.accelerator or ""))
    if options.address is not None:
        return plan
    where = plan.sweeps[0].definition.where
    check_machine(plan.left, plan.models, machine_memory(), where)
    return plan.on_cpus(worker_memory())


def _ready(
    plan: SweepPlan, material: Recipe, storage: Storage, report: Report
) -> dict[str, TextSource]:
    """Have all that a cluster will need in the storage or at hand; the text of the corpora.

    It is empty where the corpora are prepared. Raises InputError where something is missing.
    """
    sources: dict[str, TextSource] = {}
    if plan.is_prepared:
        for name, manifest in plan.manifests.items():
            check_shards(storage, plan.facts[name].folder, manifest)
        report_conflicts(storage, plan.manifests, report, material)
    else:
        where, own = plan.sweeps[0].definition.where, plan.resolution.own_tokenizer
        sources = ready_text(material, storage, where, report, own)
    for sentence in store_starts(plan.resolution, storage):
        report(sentence)
    check_starts(plan.resolution, storage)
    for model in vocabulary_growth(plan, storage):
        for sentence in model.sentences:
            report(sentence)
    if plan.is_prepared:
        _report_untrained(plan, storage, report)
    return sources


def _without_damaged(plan: SweepPlan, storage: Storage, report: Report) -> SweepPlan:
    """The plan without the states of its nodes that lack a file: these are trained again.

    Raises InputError where the mark of such a state is damaged.
    """
    nodes = {node.name: node for node in plan.tree.nodes if node.name in plan.states}
    damaged = missing_files(storage, nodes)
    for name, problem in damaged.items():
        report(f"{node_label(nodes[name])}: {problem}; the node is trained again, to the same bits")
        storage.remove(layout.state_mark(name))
    return plan.with_states(plan.states.difference(damaged))


def _prepared(
    plan: SweepPlan,
    material: Recipe,
    sources: dict[str, TextSource],
    storage: Storage,
    report: Report,
) -> SweepPlan:
    """The plan over the corpora that are prepared here: names depend on what is in them."""
    prepare_all(material, sources, storage, report, plan.resolution.own_tokenizer)
    definitions = [sweep.definition for sweep in plan.sweeps]
    made = inspected(plan_sweeps(definitions, storage, resolution=plan.resolution))
    _report_untrained(made, storage, report)
    return replace(made, place=plan.place)


def _report_untrained(plan: SweepPlan, storage: Storage, report: Report) -> None:
    """Name tokens that the corpora use and a checkpoint was not trained on. Raises InputError."""
    for sentence in token_notes(plan, storage):
        report(sentence)


def _begin(plan: SweepPlan, storage: Storage, watcher: _Watcher) -> None:
    """Describe each sweep, for `raycl status` and `raycl report`, and say what is to be done."""
    for planned in plan.sweeps:
        definition = planned.definition
        recipes = [variant.recipe for variant in definition.variants]
        write_resolution(storage, planned.name, plan.resolution, recipes)
        write_description(
            definition, storage, plan.subtree(planned), planned.merges, planned.merge_search
        )
    watcher.on_plan(plan.cost)


def _train(
    plan: SweepPlan,
    storage: Storage,
    options: ClusterOptions,
    audience: Audience,
    growth: RecipeGrowth | None,
) -> dict[str, str]:
    # Imported after the cluster has started: the driver imports Ray, which reads its environment
    # at that moment.
    from raycl.sweep.driver import TrialSettings, run_sweep
    from raycl.sweep.tracking.opened import followed

    watched = tree_progress(plan.tree, plan.stored.finished)
    with (
        audience.following(plan, watched, growth),
        followed(plan, storage, growth, audience.printer) as following,
    ):
        outcome = run_sweep(
            plan.to_train,
            storage,
            options,
            existing=plan.stored.finished,
            on_event=audience.event,
            trials=TrialSettings(
                sweeps=tuple(planned.name for planned in plan.sweeps),
                callbacks=(following,),
                watched=watched,
            ),
            growth=growth,
        )
    return dict(outcome.failed)
