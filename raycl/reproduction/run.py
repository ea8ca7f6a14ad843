"""All experiments of the paper, from recipe files to a document: what `raycl reproduce` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from raycl.data.shards import check_shards
from raycl.plan.cost import Plan, make_plan
from raycl.plan.tree import Tree
from raycl.recipe.definition import bind_corpora, corpus_facts, is_prepared, trainings
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.experiments import (
    Experiment,
    experiments_tree,
    material_recipe,
    subtree,
)
from raycl.reproduction.merged import merged_outcomes
from raycl.reproduction.seconds import add_seconds, training_seconds
from raycl.results.gather import StoredStates, gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.table import write_results
from raycl.states.lookup import complete_states
from raycl.storage import Storage
from raycl.sweep.pipeline import is_trained, sweep_folder, write_description
from raycl.sweep.prepare_corpora import check_corpora, ready_text

Report = Callable[[str], None]


@dataclass(frozen=True)
class Cluster:
    """Where nodes are trained: see `raycl.cluster.connect.cluster`."""

    address: str | None = None
    workers: int | None = None
    concurrent: int | None = None
    gpus: bool = False


def train_experiments(
    experiments: Sequence[Experiment],
    storage: Storage,
    where: Cluster,
    report: Report = print,
    on_plan: Callable[[Plan], None] = lambda _: None,
) -> dict[str, str]:
    """Prepare and train what storage lacks, as one tree; the reasons of nodes that failed.

    Everything that can be wrong with the recipes is found before a cluster starts.
    """
    storage.check_writable()
    material = material_recipe(experiments)
    origin = experiments[0].definition.where
    check_corpora(material, storage, origin)
    tree = experiments_tree(experiments, storage)
    prepared = all(is_prepared(corpus_facts(e.definition, storage)) for e in experiments)
    if prepared and is_trained(tree, storage):
        _describe(experiments, tree, storage)
        on_plan(make_plan(tree, complete_states(storage)))
        report("Nothing to train: every state is in storage already.")
        return {}
    sources = {} if prepared else ready_text(material, storage, origin, report)
    # Imported here: a plan must not wait for Ray's import.
    from raycl.cluster.connect import cluster
    from raycl.sweep.driver import run_sweep
    from raycl.sweep.prepare_corpora import prepare_all

    began = time.monotonic()
    report("Starting Ray …" if where.address is None else f"Connecting to {where.address} …")
    with cluster(where.address, where.workers, where.gpus) or nullcontext():
        try:
            if not prepared:
                prepare_all(material, sources, storage, report)
            tree = experiments_tree(experiments, storage)
            _bind(experiments, storage)
            _describe(experiments, tree, storage)
            on_plan(make_plan(tree, complete_states(storage)))
            outcome = run_sweep(
                tree,
                storage,
                concurrent=where.concurrent,
                gpus=where.gpus,
                on_event=lambda event: report(str(event)),
            )
        finally:
            add_seconds(storage, time.monotonic() - began)
    return dict(outcome.failed)


def _bind(experiments: Sequence[Experiment], storage: Storage) -> None:
    for experiment in experiments:
        facts = corpus_facts(experiment.definition, storage)
        for entry in facts.values():
            check_shards(storage, entry.folder)
        bind_corpora(storage, facts)


def _describe(experiments: Sequence[Experiment], tree: Tree, storage: Storage) -> None:
    """Each experiment is a sweep like any other, for `raycl status` and `raycl report`."""
    for experiment in experiments:
        write_description(experiment.definition, storage, subtree(tree, experiment))


def gather_evidence(
    experiments: Sequence[Experiment], storage: Storage, report: Report = print
) -> Evidence:
    """The outcomes of all experiments as far as storage holds them; their tables are written."""
    runs: dict[str, dict[int, list[RecipeOutcome]]] = {}
    states = StoredStates(storage)
    for experiment in experiments:
        definition = experiment.definition
        outcomes = gather(definition, storage, states=states)
        whole = trainings(definition, corpus_facts(definition, storage))
        outcomes += merged_outcomes(experiment, whole, outcomes, storage)
        write_results(storage, sweep_folder(definition), outcomes)
        runs.setdefault(experiment.name, {})[experiment.seed] = outcomes
        done = sum(outcome.status == "finished" for outcome in outcomes)
        report(f"{definition.recipe.name}: {done} of {len(outcomes)} recipes finished")
    return Evidence(runs)


def reproduce(
    experiments: Sequence[Experiment],
    storage: Storage,
    where: Cluster,
    out: Path,
    report: Report = print,
    on_plan: Callable[[Plan], None] = lambda _: None,
) -> dict[str, str]:
    """Train, gather, and write the document and its figures; the reasons of failed nodes."""
    from raycl.reproduction.document import write_document  # draws

    failed = train_experiments(experiments, storage, where, report, on_plan)
    evidence = gather_evidence(experiments, storage, report)
    write_document(evidence, out, out.parent / "images" / out.stem, run_facts(experiments, storage))
    return failed


def run_facts(experiments: Sequence[Experiment], storage: Storage) -> dict[str, str]:
    """What was run, on what, for how long."""
    from raycl.reproduction.machine import machine

    tree = experiments_tree(experiments, storage)
    plan = make_plan(tree, complete_states(storage))
    recipe = experiments[0].definition.recipe
    seeds = sorted({experiment.seed for experiment in experiments})
    return {
        "machine": machine(),
        "model": f"{recipe.model.preset}, {plan.parameters or 0:,} parameters",
        "batch": f"{recipe.rows_per_step} sequences of {recipe.sequence_length} tokens",
        "seeds": ", ".join(str(seed) for seed in seeds),
        "recipes": f"{len(tree.recipes)} in {len(tree.nodes)} nodes",
        "steps": f"{plan.steps:,} trained, {plan.steps_alone:,} if every recipe ran alone",
        "tokens": f"{plan.tokens:,}",
        "wall time": f"{training_seconds(storage) / 60:.0f} minutes, preparation included",
    }
