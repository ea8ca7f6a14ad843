"""Sweeps from recipe to report: what `raycl sweep`, `raycl reproduce` and the jobs do.

Several recipe files can be trained in one go: they are prepared with one tokenizer and trained as
one tree. One file alone is a case of that.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pandas as pd

from raycl.cluster.options import ClusterOptions
from raycl.data.prepare import TextSource
from raycl.data.shards import check_shards
from raycl.plan.cost import Plan
from raycl.recipe import Recipe
from raycl.recipe.definition import Definition, bind_corpora, read_manifests
from raycl.recipe.resolution import check_starts, store_starts, write_resolution
from raycl.recipe.stored_recipe import recipe_text
from raycl.recipe.sweep_plan import SweepPlan, joint_recipe, plan_sweeps, resolve_inputs
from raycl.results.gather import StoredStates, gather
from raycl.results.outcome import INCOMPLETE, RecipeOutcome
from raycl.results.report.notes import notes
from raycl.results.report.page import write_report
from raycl.results.standing import lost_recipes
from raycl.results.table import read_results, write_results
from raycl.states.completeness import missing_files
from raycl.states.earlier import earlier_sentence
from raycl.states.lookup import complete_states
from raycl.storage import Storage, layout
from raycl.sweep.description import write_description
from raycl.sweep.events import node_label
from raycl.sweep.prepare_corpora import (
    check_corpora,
    prepare_all,
    ready_text,
    report_conflicts,
)
from raycl.train.inspect_plan import inspected

Report = Callable[[str], None]
OnPlan = Callable[[Plan], None]


@dataclass(frozen=True)
class Trained:
    """The result of training one or several sweeps."""

    plan: SweepPlan
    """The plan, with the states that storage holds after the training."""
    failed: dict[str, str]
    """Reason by failed node; empty where all went well."""


@dataclass(frozen=True)
class SweepResult:
    """The results of a sweep: its table, its page and its failed nodes."""

    table: pd.DataFrame
    page: str
    failed: dict[str, str]
    """Reason by failed node (its stage, steps and recipes); empty where all went well."""
    notes: tuple[str, ...] = ()
    """Sentences on what is missing, and on what must be known to read the table."""
    lost: tuple[str, ...] = ()
    """Recipes that are finished in the stored results, but whose states are not found any more."""
    written: bool = True
    """False where the stored results are better than new ones would be: `table` and `page` are then
    the stored ones, which were left as they are."""


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
    trained = train_sweeps((definition,), storage, options, report, on_plan)
    return write_all(trained.plan, storage, trained.failed)


def train_sweeps(
    definitions: Sequence[Definition],
    storage: Storage,
    options: ClusterOptions | None = None,
    report: Report = print,
    on_plan: OnPlan = lambda _: None,
    on_cluster: AbstractContextManager[Any] | None = None,
) -> Trained:
    """Prepare and train what storage lacks of all definitions, as one tree; describe each sweep.

    Everything that can be wrong with the recipes is found before a cluster starts; none starts
    where nothing is to be done. `on_cluster` is entered for as long as there is one.
    """
    storage.check_writable()
    material = joint_recipe(definitions)
    watcher = _Watcher(report, on_plan)
    options = options or ClusterOptions()
    manifests = read_manifests(definitions, storage)
    check_corpora(material, storage, definitions[0].where, manifests)
    resolution = resolve_inputs(definitions, storage, options.device)
    plan = plan_sweeps(definitions, storage, manifests, resolution)
    for sentence in [*resolution.notes, earlier_sentence(plan.states)]:
        if sentence:
            report(sentence)
    plan = _without_damaged(plan, storage, report)
    if plan.is_prepared and plan.is_trained:
        store_starts(resolution, storage)
        _begin(plan, storage, watcher)
        report("Nothing to train: every state is in storage already.")
        return Trained(plan, {})
    plan = inspected(plan)
    sources: dict[str, TextSource] = {}
    if plan.is_prepared:
        for name, manifest in plan.manifests.items():
            check_shards(storage, plan.facts[name].folder, manifest)
        report_conflicts(storage, plan.manifests, report)
    else:
        sources = ready_text(material, storage, definitions[0].where, report)
    for sentence in store_starts(resolution, storage):
        report(sentence)
    check_starts(resolution, storage)
    to = options.address
    report("Starting Ray …" if to is None else f"Connecting to Ray at {to} …")
    with on_cluster or nullcontext():
        # Imported here: planning and reporting must not wait for Ray's import.
        from raycl.cluster.connect import cluster

        with cluster(options):
            if not plan.is_prepared:
                plan = _prepared(plan, material, sources, storage, report)
            bind_corpora(storage, plan.facts)
            _begin(plan, storage, watcher)
            failed = _train(plan, storage, options, report)
    return Trained(plan.with_states(complete_states(storage)), failed)


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
    prepare_all(material, sources, storage, report)
    definitions = [sweep.definition for sweep in plan.sweeps]
    return inspected(plan_sweeps(definitions, storage, resolution=plan.resolution))


def _begin(plan: SweepPlan, storage: Storage, watcher: _Watcher) -> None:
    """Describe each sweep, for `raycl status` and `raycl report`, and say what is to be done."""
    for planned in plan.sweeps:
        definition = planned.definition
        recipes = [variant.recipe for variant in definition.variants]
        write_resolution(storage, planned.name, plan.resolution, recipes)
        write_description(definition, storage, plan.subtree(planned))
    watcher.on_plan(plan.cost)


def _train(
    plan: SweepPlan, storage: Storage, options: ClusterOptions, report: Report
) -> dict[str, str]:
    # Imported after the cluster has started: the driver imports Ray, which reads its environment
    # at that moment.
    from raycl.sweep.driver import TrialSettings, run_sweep

    outcome = run_sweep(
        plan.tree,
        storage,
        options,
        existing=plan.states,
        on_event=lambda event: report(str(event)),
        trials=TrialSettings(folder=_tracker_folder(plan, storage)),
    )
    return dict(outcome.failed)


def _tracker_folder(plan: SweepPlan, storage: Storage) -> str | None:
    """TensorBoard's files lie beside the results of a sweep where its storage is local."""
    if storage.local_root is None or len(plan.sweeps) > 1:
        return None
    return storage.full_path(layout.sweep_tensorboard(plan.sweeps[0].name))


def write_all(
    plan: SweepPlan, storage: Storage, failed: dict[str, str] | None = None
) -> SweepResult:
    """Write the results table, the histories and the page of a plan of one sweep."""
    failed = failed or {}
    (planned,) = plan.sweeps
    labels = frozenset(
        label for node in plan.tree.nodes if node.name in failed for label in node.recipes
    )
    states = StoredStates(storage, plan.states)
    outcomes = gather(planned, states, labels)
    failed = by_label(plan, failed)
    told = (*_missing(plan, storage, states, outcomes), *notes(outcomes))
    if lost := lost_recipes(storage, planned.name, outcomes):
        page = storage.full_path(layout.sweep_report(planned.name))
        gone = tuple(o.label for o in lost if o.status != INCOMPLETE)
        return SweepResult(read_results(storage, planned.name), page, failed, told, gone, False)
    table = write_results(storage, planned.name, outcomes)
    facts = _facts(plan, storage)
    page = write_report(storage, planned.name, f"Sweep {planned.name}", outcomes, facts)
    return SweepResult(table, storage.full_path(page), failed, told)


def by_label(plan: SweepPlan, failed: Mapping[str, str]) -> dict[str, str]:
    """The reasons of failed nodes, which are named by stage, steps, recipes and state."""
    return {
        f"{node_label(node)}, state {node.name[:18]}": failed[node.name]
        for node in plan.tree.nodes
        if node.name in failed
    }


def _missing(
    plan: SweepPlan, storage: Storage, states: StoredStates, outcomes: Sequence[RecipeOutcome]
) -> Iterator[str]:
    """What is missing of a plan of one sweep, a sentence each."""
    for name in plan.sweeps[0].facts:
        if name not in plan.manifests:
            path = storage.full_path(layout.manifest(layout.corpus(name)))
            yield f"{path} is missing: which states are the recipes' own is not known without it."
    incomplete = [outcome for outcome in outcomes if outcome.status == INCOMPLETE]
    for gone in dict.fromkeys(states.lacks_part(outcome.state) for outcome in incomplete):
        yield (
            f"{storage.full_path(layout.state(str(gone)))} was removed, and with it a part of the "
            "history of what was trained from it. `raycl sweep` trains it again, to the same bits."
        )


def _facts(plan: SweepPlan, storage: Storage) -> dict[str, Any]:
    definition, cost = plan.sweeps[0].definition, plan.cost
    recipe = definition.recipe
    packages = {name: version(name) for name in ("raycl", "torch", "ray", "transformers")}
    shared = cost.steps_alone - cost.steps
    return {
        "Model": {
            "model": recipe.model.preset or recipe.model.pretrained or "configuration",
            "parameters": f"{cost.parameters:,}" if cost.parameters else "of the checkpoint",
            "sequence length": recipe.sequence_length,
            "global batch": f"{recipe.rows_per_step} sequences",
        },
        "Work": {
            "recipes": len(plan.tree.recipes),
            "nodes trained": len(plan.tree.nodes),
            "steps trained": f"{cost.steps:,}",
            "steps if every recipe ran alone": f"{cost.steps_alone:,} ({shared:,} shared)",
        },
        "Versions": {**packages, "python": platform.python_version()},
        "Run it again": f"$ raycl sweep {definition.where} --storage {storage.url}",
        "Recipe": recipe_text(definition),
    }
