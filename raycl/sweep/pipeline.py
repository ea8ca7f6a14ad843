"""One sweep from recipe to report: what `raycl sweep` does, and what the jobs do."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pandas as pd
import yaml

from raycl.data.shards import check_shards
from raycl.errors import InputError
from raycl.plan.cost import Plan, make_plan
from raycl.plan.tree import Tree
from raycl.recipe import CorpusFacts
from raycl.recipe.definition import (
    Definition,
    bind_corpora,
    corpus_facts,
    definition_of,
    is_prepared,
    make_tree,
)
from raycl.results.gather import gather
from raycl.results.report.page import write_report
from raycl.results.table import write_results
from raycl.states.lookup import complete_states
from raycl.states.tree_record import NodeRecord, read_tree_record, write_tree_record
from raycl.storage import Storage
from raycl.sweep.prepare_corpora import check_corpora, ready_text

Report = Callable[[str], None]


@dataclass(frozen=True)
class SweepResult:
    """What a sweep left behind."""

    table: pd.DataFrame
    page: str
    failed: dict[str, str]
    """Reason by failed node; empty where all went well."""


def sweep_folder(definition: Definition) -> str:
    """Where a sweep's results lie in storage."""
    return f"sweeps/{definition.recipe.name}"


def sweep(
    definition: Definition,
    storage: Storage,
    *,
    address: str | None = None,
    workers: int | None = None,
    concurrent: int | None = None,
    gpus: bool = False,
    report: Report = print,
    on_plan: Callable[[Plan], None] = lambda _: None,
) -> SweepResult:
    """Prepare what is missing, train what is missing, write the results and the page.

    Bad input is found before a cluster starts, and no cluster starts where nothing is to be done.
    """
    storage.check_writable()
    check_corpora(definition.recipe, storage, definition.where)
    facts = corpus_facts(definition, storage)
    tree = make_tree(definition, facts)
    failed: dict[str, str] = {}
    if not is_prepared(facts) or not is_trained(tree, storage):
        failed = _on_cluster(
            definition, storage, facts, address, workers, concurrent, gpus, report, on_plan
        )
    else:
        write_description(definition, storage, tree)
        on_plan(make_plan(tree, complete_states(storage)))
        report("Nothing to train: every state is in storage already.")
    return write_all(definition, storage, failed)


def is_trained(tree: Tree, storage: Storage) -> bool:
    """Whether every node's end state is in storage."""
    names = {node.name for node in tree.nodes}
    return len(complete_states(storage, among=names)) == len(names)


def _on_cluster(
    definition: Definition,
    storage: Storage,
    facts: dict[str, CorpusFacts],
    address: str | None,
    workers: int | None,
    concurrent: int | None,
    gpus: bool,
    report: Report,
    on_plan: Callable[[Plan], None],
) -> dict[str, str]:
    # Imported here: planning and reporting must not wait for Ray's import.
    from raycl.cluster.connect import cluster
    from raycl.sweep.driver import run_sweep
    from raycl.sweep.prepare_corpora import prepare_all

    prepared = is_prepared(facts)
    for entry in facts.values() if prepared else ():
        check_shards(storage, entry.folder)
    sources = {}
    if not prepared:
        sources = ready_text(definition.recipe, storage, definition.where, report)
    report("Starting Ray …" if address is None else f"Connecting to Ray at {address} …")
    with cluster(address, workers, gpus) or nullcontext():
        if not prepared:
            prepare_all(definition.recipe, sources, storage, report)
        facts = corpus_facts(definition, storage)
        tree = make_tree(definition, facts)
        bind_corpora(storage, facts)
        write_description(definition, storage, tree)
        on_plan(make_plan(tree, complete_states(storage)))
        outcome = run_sweep(
            tree,
            storage,
            concurrent=concurrent,
            gpus=gpus,
            on_event=lambda e: report(str(e)),
            tune_folder=_tune_folder(definition, storage),
        )
    return dict(outcome.failed)


def _tune_folder(definition: Definition, storage: Storage) -> str | None:
    """Tune's TensorBoard files lie beside the results where storage is local."""
    if storage.local_root is None:
        return None
    return storage.full_path(f"{sweep_folder(definition)}/tensorboard")


def write_description(definition: Definition, storage: Storage, tree: Tree) -> None:
    """Write the sweep's recipe and tree, for `raycl status` and `raycl report`."""
    folder = sweep_folder(definition)
    text = yaml.safe_dump(dict(definition.data), sort_keys=False, allow_unicode=True)
    storage.write_bytes(f"{folder}/recipe.yaml", text.encode())
    nodes = [
        NodeRecord(
            name=n.name,
            parent=n.parent,
            stage=n.training.stage,
            steps=n.steps,
            first_step=n.training.start,
            recipes=tuple(n.recipes),
        )
        for n in tree.nodes
    ]
    write_tree_record(storage, definition.recipe.name, nodes)


def stored_definition(storage: Storage, name: str) -> Definition:
    """The definition of a sweep that this storage has seen. Raises InputError."""
    path = f"sweeps/{name}/recipe.yaml"
    if not storage.exists(path):
        known = ", ".join(storage.list("sweeps")) or "none"
        raise InputError(f"sweep {name!r} in {storage.url}", "not there", f"Known sweeps: {known}")
    where = storage.full_path(path)
    try:
        data = yaml.safe_load(storage.read_bytes(path))
    except yaml.YAMLError as error:
        remedy = "Run `raycl sweep` with its recipe again"
        raise InputError(where, f"not readable as YAML ({error})", remedy) from error
    if not isinstance(data, dict):
        raise InputError(where, "not a mapping of fields", "Run `raycl sweep` with its recipe")
    return definition_of(data, where)


def write_all(
    definition: Definition, storage: Storage, failed: dict[str, str] | None = None
) -> SweepResult:
    """Write the results table, the histories and the page from what storage holds."""
    failed = failed or {}
    facts = corpus_facts(definition, storage)
    tree = make_tree(definition, facts)
    labels = frozenset(
        label for node in tree.nodes if node.name in failed for label in node.recipes
    )
    outcomes = gather(definition, storage, labels)
    folder = sweep_folder(definition)
    table = write_results(storage, folder, outcomes)
    page = write_report(
        storage,
        folder,
        f"Sweep {definition.recipe.name}",
        outcomes,
        _facts(definition, storage, tree),
    )
    return SweepResult(table, storage.full_path(page), failed)


def _facts(definition: Definition, storage: Storage, tree: Tree) -> dict[str, Any]:
    plan = make_plan(tree, complete_states(storage))
    recipe = definition.recipe
    packages = {name: version(name) for name in ("raycl", "torch", "ray", "transformers")}
    shared = plan.steps_alone - plan.steps
    return {
        "Model": {
            "model": recipe.model.preset or recipe.model.pretrained or "configuration",
            "parameters": f"{plan.parameters:,}" if plan.parameters else "of the checkpoint",
            "sequence length": recipe.sequence_length,
            "global batch": f"{recipe.rows_per_step} sequences",
        },
        "Work": {
            "recipes": len(tree.recipes),
            "nodes trained": len(tree.nodes),
            "steps trained": f"{plan.steps:,}",
            "steps if every recipe ran alone": f"{plan.steps_alone:,} ({shared:,} shared)",
        },
        "Versions": {**packages, "python": platform.python_version()},
        "Run it again": f"$ raycl sweep {definition.where} --storage {storage.url}",
        "Recipe": yaml.safe_dump(dict(definition.data), sort_keys=False, allow_unicode=True),
    }


def progress(storage: Storage, name: str) -> Iterable[dict[str, Any]]:
    """Each node of a stored sweep, with whether its state is complete."""
    existing = set(complete_states(storage))
    for node in read_tree_record(storage, name).nodes:
        yield {**node.model_dump(), "finished": node.name in existing}
