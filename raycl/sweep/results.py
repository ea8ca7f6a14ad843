"""The results of a trained sweep: table, histories, page, and what to know when reading them."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import pandas as pd

from raycl.advice.advice import Advice
from raycl.advice.advise import advise
from raycl.advice.stored import source_of
from raycl.errors import InputError
from raycl.recipe.stored_recipe import recipe_text
from raycl.recipe.sweep_plan import SweepPlan
from raycl.results.bill import bill_text
from raycl.results.gather import gather
from raycl.results.outcome import INCOMPLETE, RecipeOutcome
from raycl.results.report.notes import notes
from raycl.results.standing import lost_recipes
from raycl.results.stored_states import StoredStates
from raycl.results.table import read_results, write_results
from raycl.storage import Storage, layout
from raycl.sweep.costs import sweep_bill
from raycl.sweep.events import node_label
from raycl.sweep.report import write_report
from raycl.watch.snapshot import SweepFacts


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
    advice: Advice | None = None
    """What to use and why; None where `table` and `page` are stored ones."""
    written: bool = True
    """False where the stored results are better than new ones would be: `table` and `page` are then
    the stored ones, which were left as they are."""


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
    told = (*missing_parts(plan, storage, states, outcomes), *notes(outcomes))
    if lost := lost_recipes(storage, planned.name, outcomes):
        page = storage.full_path(layout.sweep_report(planned.name))
        gone = tuple(o.label for o in lost if o.status != INCOMPLETE)
        return SweepResult(
            read_results(storage, planned.name), page, failed, told, gone, written=False
        )
    table = write_results(storage, planned.name, outcomes)
    advice = advise(outcomes, table, source_of(plan, storage))
    known = SweepFacts(
        name=planned.name,
        table=table,
        outcomes=outcomes,
        facts=sweep_facts(plan, storage),
        recipe=recipe_text(planned.definition),
        told=told,
        updated=datetime.now(UTC),
        advice=advice,
    )
    page = write_report(storage, known, states, planned)
    return SweepResult(table, storage.full_path(page), failed, told, advice=advice)


def by_label(plan: SweepPlan, failed: Mapping[str, str]) -> dict[str, str]:
    """The reasons of failed nodes, which are named by stage, steps, recipes and state.

    Those of failed merges stay under their labels.
    """
    nodes = {node.name: node for node in plan.tree.nodes if node.name in failed}
    return {
        f"{node_label(nodes[name])}, state {name}" if name in nodes else name: reason
        for name, reason in failed.items()
    }


def missing_parts(
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


def _of(done: int, planned: int) -> str:
    return f"{done:,}" if done == planned else f"{done:,} of {planned:,}"


def sweep_facts(plan: SweepPlan, storage: Storage) -> dict[str, Any]:
    """What the page says of a plan of one sweep: model, work, cost, versions, how to run it again.

    A mapping is a list of terms; a text that begins with "$ " is a command.
    """
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
            "nodes trained": _of(sum(node.exists for node in cost.nodes), len(cost.nodes)),
            "steps trained": _of(cost.steps - cost.steps_left, cost.steps),
            "steps if every recipe ran alone": f"{cost.steps_alone:,} ({shared:,} shared)",
            **_money(storage, recipe.name),
        },
        "Versions": {**packages, "python": platform.python_version()},
        "Run it again": f"$ raycl sweep {definition.where} --storage {storage.url}",
    }


def _money(storage: Storage, sweep: str) -> dict[str, str]:
    """What the sweep has cost so far, where it was told prices.

    What is wrong with a record is written there, since it must not keep results from being written.
    """
    try:
        bill = sweep_bill(storage, sweep)
    except FileNotFoundError:  # it has no tree
        return {}
    except InputError as error:
        return {"cost so far": str(error)}
    return {} if bill is None else {"cost so far": bill_text(bill)}
