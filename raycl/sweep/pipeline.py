"""Sweeps from recipe to report: what `raycl sweep`, `raycl reproduce` and the jobs do.

Several recipe files can be trained in one go: they are prepared with one tokenizer and trained as
one tree. One file alone is a case of that.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
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
from raycl.recipe.sweep_plan import SweepPlan, joint_recipe, plan_sweeps, resolve_inputs
from raycl.results.gather import StoredStates, gather
from raycl.results.report.notes import notes
from raycl.results.report.page import write_report
from raycl.results.table import write_results
from raycl.states.earlier import earlier_sentence
from raycl.states.lookup import complete_states
from raycl.storage import Storage, layout
from raycl.sweep.description import recipe_text, write_description
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
    """Reason by failed node; empty where all went well."""
    notes: tuple[str, ...] = ()
    """Sentences on what must be known to read the table."""


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
        trials=TrialSettings(folder=_tune_folder(plan, storage)),
    )
    return dict(outcome.failed)


def _tune_folder(plan: SweepPlan, storage: Storage) -> str | None:
    """Tune's TensorBoard files lie beside the results of a sweep where its storage is local."""
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
    outcomes = gather(planned, StoredStates(storage, plan.states), labels)
    table = write_results(storage, planned.name, outcomes)
    facts = _facts(plan, storage)
    page = write_report(storage, planned.name, f"Sweep {planned.name}", outcomes, facts)
    return SweepResult(table, storage.full_path(page), failed, tuple(notes(outcomes)))


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
