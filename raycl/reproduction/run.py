"""All experiments of the paper, from recipe files to a document: what `raycl reproduce` does.

Preparation and training are those of any sweep, with all experiments as one tree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from raycl.cluster.options import ClusterOptions
from raycl.plan.cost import Plan
from raycl.recipe.sweep_plan import SweepPlan
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.experiments import Experiment
from raycl.reproduction.merged import merged_outcomes
from raycl.reproduction.seconds import add_seconds, training_seconds
from raycl.results.gather import gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.standing import lost_recipes
from raycl.results.stored_states import StoredStates
from raycl.results.table import write_results
from raycl.storage import Storage
from raycl.sweep.pipeline import Trained, train_sweeps
from raycl.sweep.results import by_label

Report = Callable[[str], None]


def train_experiments(
    experiments: Sequence[Experiment],
    storage: Storage,
    options: ClusterOptions,
    report: Report = print,
    on_plan: Callable[[Plan], None] = lambda _: None,
) -> Trained:
    """Prepare and train what storage lacks of all experiments, and count the time that it takes."""
    definitions = [experiment.definition for experiment in experiments]
    return train_sweeps(definitions, storage, options, report, on_plan, _counted(storage))


@contextmanager
def _counted(storage: Storage) -> Iterator[None]:
    """Add the block's wall time to that of earlier runs, however the block ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        add_seconds(storage, time.monotonic() - began)


def gather_evidence(
    experiments: Sequence[Experiment], plan: SweepPlan, storage: Storage, report: Report = print
) -> Evidence:
    """The outcomes of all experiments as far as storage holds them; their tables are written.

    `plan` is that of the experiments, in their order.
    """
    runs: dict[str, dict[int, list[RecipeOutcome]]] = {}
    states = StoredStates(storage, plan.states)
    for experiment, planned in zip(experiments, plan.sweeps, strict=True):
        outcomes = gather(planned, states)
        outcomes += merged_outcomes(experiment.name, planned.trainings, outcomes, storage)
        if lost := lost_recipes(storage, planned.name, outcomes):
            report(f"{planned.name}: results left as they are: {len(lost)} recipes are done there")
        else:
            write_results(storage, planned.name, outcomes)
        runs.setdefault(experiment.name, {})[experiment.seed] = outcomes
        done = sum(outcome.status == "finished" for outcome in outcomes)
        report(f"{planned.name}: {done} of {len(outcomes)} recipes finished")
    return Evidence(runs)


def reproduce(
    experiments: Sequence[Experiment],
    storage: Storage,
    options: ClusterOptions,
    out: Path,
    report: Report = print,
    on_plan: Callable[[Plan], None] = lambda _: None,
) -> dict[str, str]:
    """Train, gather, and write the document and its figures; the reasons of failed nodes."""
    from raycl.reproduction.document import write_document  # draws

    trained = train_experiments(experiments, storage, options, report, on_plan)
    evidence = gather_evidence(experiments, trained.plan, storage, report)
    facts = run_facts(experiments, trained.plan, storage)
    write_document(evidence, out, out.parent / "images" / out.stem, facts)
    return by_label(trained.plan, trained.failed)


def run_facts(
    experiments: Sequence[Experiment], plan: SweepPlan, storage: Storage
) -> dict[str, str]:
    """The facts of a run for the document: machine, model, batch, seeds, size and time."""
    from raycl.reproduction.machine import machine

    tree, cost = plan.tree, plan.cost
    recipe = experiments[0].definition.recipe
    seeds = sorted({experiment.seed for experiment in experiments})
    return {
        "machine": machine(),
        "model": f"{recipe.model.preset}, {cost.parameters or 0:,} parameters",
        "batch": f"{recipe.rows_per_step} sequences of {recipe.sequence_length} tokens",
        "seeds": ", ".join(str(seed) for seed in seeds),
        "recipes": f"{len(tree.recipes)} in {len(tree.nodes)} nodes",
        "steps": f"{cost.steps:,} trained, {cost.steps_alone:,} if every recipe ran alone",
        "tokens": f"{cost.tokens:,}",
        "wall time": f"{training_seconds(storage) / 60:.0f} minutes, preparation included",
    }
