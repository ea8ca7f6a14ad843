"""Gathers the outcomes of a sweep's recipes from the states along each recipe's chain."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace

from raycl.data.manifest import Manifest
from raycl.evaluation.store import read_tasks
from raycl.plan.anneal import Annealed
from raycl.plan.shifted import Shifted
from raycl.plan.training import Training, chains_of
from raycl.recipe import Variant
from raycl.recipe.rungs import recipe_rungs
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.as_it_came import with_starts
from raycl.results.at_rung import with_stops
from raycl.results.by_seed import parts_by_seed, with_first_names
from raycl.results.gather_merge_search import with_merge_search
from raycl.results.gather_merges import with_merges
from raycl.results.one_yardstick import OnRows, on_more_rows, on_one_number_of_rows
from raycl.results.outcome import INCOMPLETE, BranchFact, RecipeOutcome
from raycl.results.row_losses import with_row_losses
from raycl.results.stage_facts import stage_facts
from raycl.results.stored_states import StoredStates
from raycl.results.validation_rows import ValidationRows, joined, rows_of


def gather(
    sweep: PlannedSweep, states: StoredStates, failed: frozenset[str] = frozenset()
) -> list[RecipeOutcome]:
    """The outcome of every recipe as far as storage holds it, and of their starts if asked for.

    All losses on a corpus are on the same rows of it. `failed` are labels of recipes that failed.
    `states` may be shared by several sweeps of one storage, so that each state is read once.
    Corpora of further seeds have the names that they have in the recipe file.
    """
    return [
        outcome
        for part in parts_by_seed(sweep)
        for outcome in with_first_names(part, gather_of_seed(part.sweep, states, failed))
    ]


def gather_of_seed(
    sweep: PlannedSweep, states: StoredStates, failed: frozenset[str] = frozenset()
) -> list[RecipeOutcome]:
    """See `gather`; of recipes that have one seed, and with the names that corpora have here."""
    recipe = sweep.definition.recipe
    asked = recipe.counted_validation.rows
    storage = shlex.quote(states.storage.url)
    command = f"raycl evaluate --storage {storage} --sweep {sweep.name} --rows"
    outcomes, rows = on_one_number_of_rows(
        lambda rows: _on_rows(rows, sweep, states, failed), asked, command
    )
    outcomes = with_stops(
        outcomes, sweep.definition, recipe_rungs(sweep.definition, chains_of(sweep.trainings))
    )
    wanted = rows_of(sweep.facts, rows)
    outcomes = with_merges(outcomes, sweep.merges, states, wanted)
    outcomes = with_merge_search(outcomes, sweep, states, wanted)
    outcomes = on_more_rows(outcomes, rows, sweep.facts, states.losses, command)
    return with_starts(sweep, with_row_losses(outcomes, states, sweep.facts))


def _on_rows(
    rows: int, sweep: PlannedSweep, states: StoredStates, failed: frozenset[str]
) -> list[OnRows]:
    bytes_per_token = _bytes_per_token(sweep.manifests)
    wanted = rows_of(sweep.facts, rows)
    corpus_rows = {name: facts.rows for name, facts in sweep.facts.items()}
    found = [
        _outcome(variant, sweep.trainings[variant.label], states, wanted, bytes_per_token, failed)
        for variant in sweep.definition.variants
    ]
    search = sweep.definition.recipe.search
    objective = search.compared if search else None
    return [
        replace(o, outcome=replace(o.outcome, corpus_rows=corpus_rows, objective=objective))
        for o in found
    ]


def _outcome(
    variant: Variant,
    training: Training,
    states: StoredStates,
    wanted: list[ValidationRows],
    bytes_per_token: Mapping[str, float],
    failed: frozenset[str],
) -> OnRows:
    state = states.deepest(training)
    finished = state == training.chain.name(training.chain.steps)
    status = "finished" if finished else "failed" if variant.label in failed else "unfinished"
    histories = states.histories(state, wanted)
    ends = [h for h in histories if h.last_step in training.chain.starts]
    if finished and states.lacks_part(state):
        status = INCOMPLETE
    made = RecipeOutcome(
        label=variant.label,
        kind=variant.kind,
        fields=variant.fields,
        stages=tuple(stage_facts(training)),
        history=joined(histories),
        tokens_per_step=training.chain.tokens_per_step,
        sequence_length=training.chain.sequence_length,
        bytes_per_token=bytes_per_token,
        state=state or "",
        status=status,
        # A model from scratch is drawn at random, whatever its configuration was taken from.
        starts_trained=training.model.pretrained is not None and variant.kind != "scratch",
        final_steps=variant.recipe.validation.final_steps,
        tasks=read_tasks(states.storage, state) if state and finished else {},
        branch=branch_fact(variant, training),
        arm=variant.arm,
        validation_rows=histories[-1].rows if histories else {},
        knows=variant.recipe.model.knows,
        setting=variant.setting,
        seed=variant.seed,
    )
    return OnRows(
        made,
        frozenset(number for end in ends for number in end.other_rows.values()),
        frozenset(corpus for end in ends for corpus in end.measured),
    )


def branch_fact(variant: Variant, training: Training | None = None) -> BranchFact | None:
    """Where an anneal branch leaves its trunk, and its length; None for any other recipe."""
    if variant.kind != "anneal" or variant.branch is None:
        return None
    schedule = training.chain.stages[-1].schedule if training else None
    if isinstance(schedule, Shifted):
        schedule = schedule.schedule
    steps = schedule.length if isinstance(schedule, Annealed) else 0
    return BranchFact(variant.trunk, variant.branch.stage, variant.branch.at, steps)


def _bytes_per_token(manifests: Mapping[str, Manifest]) -> dict[str, float]:
    """UTF-8 bytes of text for each token of the validation split, end-of-document included."""
    splits = {name: manifest.validation for name, manifest in manifests.items()}
    return {name: split.bytes / split.tokens for name, split in splits.items()}
