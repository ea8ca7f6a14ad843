"""A sweep as one sweep a seed, and the outcomes of all of them under one set of names.

Recipes of one seed are measured on what that seed holds out, beside baselines that have not seen it
either. So everything that is made of outcomes is made for each seed alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pandas as pd

from raycl.recipe.schema.seeds import base_name
from raycl.recipe.seeds import numbered, seeded_label, seeds_of
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.outcome import ROWS, VALIDATION, RecipeOutcome, StageFact

V = TypeVar("V")


@dataclass(frozen=True)
class OfSeed:
    """The part of a sweep that has one seed."""

    sweep: PlannedSweep
    seed: int
    settings: Mapping[str, str]
    """By label, that of the same row with number 0. Empty where the recipe file has no `seeds`."""
    names: Mapping[str, str]
    """The names of corpora in the recipe file, by those in the storage where they differ."""


def parts_by_seed(sweep: PlannedSweep) -> Iterator[OfSeed]:
    """The parts of a sweep, number 0 first; the whole of it where it has no `seeds`."""
    definition = sweep.definition
    seeds = seeds_of(definition.recipe)
    if seeds.count == 1:
        yield OfSeed(sweep, 0, {}, {})
        return
    for number in range(seeds.count):
        variants = tuple(v for v in definition.variants if v.seed == number)
        labels = {variant.label: variant.setting for variant in variants}
        recipe = numbered(definition.recipe, seeds, number)
        own = replace(definition, recipe=recipe, variants=variants)
        merges = tuple(merge for merge in sweep.merges if merge.recipe in labels)
        settings = {m.label: m.label.replace(m.recipe, labels[m.recipe], 1) for m in merges}
        part = replace(
            sweep,
            definition=own,
            manifests=_of(recipe.corpora, sweep.manifests),
            facts=_of(recipe.corpora, sweep.facts),
            trainings=_of(labels, sweep.trainings),
            merges=merges,
        )
        names = {name: base_name(name, corpus) for name, corpus in recipe.corpora.items()}
        changed = {name: base for name, base in names.items() if name != base}
        yield OfSeed(part, number, {**labels, **settings}, changed)


def with_first_names(part: OfSeed, outcomes: Sequence[RecipeOutcome]) -> list[RecipeOutcome]:
    """The outcomes of one seed with their settings, and the corpora's names in the recipe file."""
    if not part.settings:
        return list(outcomes)
    return [_told(part, _renamed(outcome, part.names)) for outcome in outcomes]


def _told(part: OfSeed, outcome: RecipeOutcome) -> RecipeOutcome:
    """The outcome with its setting. A row that is no recipe, as of a start, gets its seed too."""
    label = outcome.label
    if label in part.settings:
        return replace(outcome, setting=part.settings[label], seed=part.seed)
    return replace(outcome, label=seeded_label(label, part.seed), setting=label, seed=part.seed)


def _renamed(outcome: RecipeOutcome, names: Mapping[str, str]) -> RecipeOutcome:
    if not names:
        return outcome
    return replace(
        outcome,
        stages=tuple(_stage(stage, names) for stage in outcome.stages),
        history=_columns(outcome.history, names),
        bytes_per_token=_keys(outcome.bytes_per_token, names),
        measured=_keys(outcome.measured, names),
        validation_rows=_keys(outcome.validation_rows, names),
        last_alone=frozenset(names.get(name, name) for name in outcome.last_alone),
        knows=_keys(outcome.knows, names),
        corpus_rows=_keys(outcome.corpus_rows, names),
        row_losses=_keys(outcome.row_losses, names),
    )


def _stage(stage: StageFact, names: Mapping[str, str]) -> StageFact:
    weights = stage.loss_weights
    for name, base in names.items():
        weights = weights.replace(name, base)
    return replace(
        stage,
        new=tuple(names.get(name, name) for name in stage.new),
        replayed=tuple(names.get(name, name) for name in stage.replayed),
        loss_weights=weights,
    )


def _columns(history: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    prefixes = (VALIDATION, ROWS)
    return history.rename(
        columns={
            prefix + name: prefix + base for name, base in names.items() for prefix in prefixes
        }
    )


def _keys(values: Mapping[str, V], names: Mapping[str, str]) -> dict[str, V]:
    return {names.get(name, name): value for name, value in values.items()}


def _of(wanted: Mapping[str, object], values: Mapping[str, V]) -> dict[str, V]:
    return {name: value for name, value in values.items() if name in wanted}
