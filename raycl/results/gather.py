"""Gathers the outcomes of a sweep's recipes from the states along each recipe's chain."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping

import pandas as pd

from raycl.data.manifest import Manifest
from raycl.evaluation.store import Measured, read_losses, read_tasks
from raycl.plan.anneal import Annealed
from raycl.plan.chain import ChainStage
from raycl.plan.mixture import Source
from raycl.plan.state_index import StateIndex
from raycl.plan.training import Training
from raycl.recipe import Variant
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.as_it_came import with_starts
from raycl.results.one_yardstick import OnRows, on_more_rows, on_one_number_of_rows
from raycl.results.outcome import INCOMPLETE, BranchFact, RecipeOutcome, StageFact
from raycl.results.validation_rows import (
    ValidatedHistory,
    ValidationRows,
    joined,
    rows_of,
    validated,
)
from raycl.states.history import read_history
from raycl.states.mark import StateMark, read_mark
from raycl.storage import Storage


def gather(
    sweep: PlannedSweep, states: StoredStates, failed: frozenset[str] = frozenset()
) -> list[RecipeOutcome]:
    """The outcome of every recipe as far as storage holds it, and of their starts if asked for.

    All losses on a corpus are on the same rows of it. `failed` are labels of recipes that failed.
    `states` may be shared by several sweeps of one storage, so that each state is read once.
    """
    recipe = sweep.definition.recipe
    asked = recipe.validation.of_each(len(recipe.corpora)).rows
    storage = shlex.quote(states.storage.url)
    command = f"raycl evaluate --storage {storage} --sweep {sweep.name} --rows"
    outcomes, rows = on_one_number_of_rows(
        lambda rows: _on_rows(rows, sweep, states, failed), asked, command
    )
    return with_starts(sweep, on_more_rows(outcomes, rows, sweep.facts, states.losses, command))


def _on_rows(
    rows: int, sweep: PlannedSweep, states: StoredStates, failed: frozenset[str]
) -> list[OnRows]:
    bytes_per_token = _bytes_per_token(sweep.manifests)
    wanted = rows_of(sweep.facts, rows)
    return [
        _outcome(variant, sweep.trainings[variant.label], states, wanted, bytes_per_token, failed)
        for variant in sweep.definition.variants
    ]


class StoredStates:
    """The states `names` of a storage, each read once however many recipes and sweeps share it."""

    def __init__(self, storage: Storage, names: Iterable[str]) -> None:
        self.storage = storage
        self._index = StateIndex(names)
        self._records: dict[str, tuple[StateMark, pd.DataFrame] | None] = {}
        self._losses: dict[str, dict[Measured, float]] = {}

    def deepest(self, training: Training) -> str | None:
        """Name of the deepest complete state on a recipe's chain."""
        found = next(self._index.along(training.chain, training.chain.steps), None)
        return found[1] if found else None

    def histories(self, name: str | None, wanted: list[ValidationRows]) -> list[ValidatedHistory]:
        """The histories of the state and of those before it on its chain, the first one first.

        They begin later where an earlier state was removed; `lacks_part` then says so. Their losses
        are those on the wanted rows; see `validated`.
        """
        found: list[ValidatedHistory] = []
        while name is not None:
            if (record := self._read(name)) is None:
                break
            mark, lines = record
            found.insert(0, validated(mark, lines, wanted, self.losses(name)))
            name = mark.previous
        return found

    def lacks_part(self, name: str | None) -> str | None:
        """The nearest state before this one whose lines are missing, as it was removed; or None."""
        while name is not None:
            if (record := self._read(name)) is None:
                return name
            name = record[0].previous
        return None

    def losses(self, name: str) -> Mapping[Measured, float]:
        """What `raycl evaluate` measured of a state (nats/token)."""
        if name not in self._losses:
            self._losses[name] = read_losses(self.storage, name)
        return self._losses[name]

    def _read(self, name: str) -> tuple[StateMark, pd.DataFrame] | None:
        """The mark and the verified history of a state; None where there is no such state."""
        if name not in self._records:
            try:
                mark = read_mark(self.storage, name)
            except FileNotFoundError:
                self._records[name] = None
            else:
                self._records[name] = (mark, read_history(self.storage, mark).to_pandas())
        return self._records[name]


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
        stages=tuple(_stage_facts(training)),
        history=joined(histories),
        tokens_per_step=training.chain.tokens_per_step,
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
    steps = schedule.length if isinstance(schedule, Annealed) else 0
    return BranchFact(variant.trunk, variant.branch.stage, variant.branch.at, steps)


def _stage_facts(training: Training) -> list[StageFact]:
    chain = training.chain
    return [
        StageFact(
            name=stage.name,
            first_step=first,
            last_step=first + stage.steps,
            tokens=stage.steps * chain.tokens_per_step,
            new=tuple(source.corpus for source in _sources(stage, replay=False)),
            replay_share=float(stage.mixture.replay),
            max_lr=stage.schedule.peak,
            schedule=str(getattr(stage.schedule, "kind", "anneal")),
            shares=tuple(float(source.weight) for source in _sources(stage, replay=False)),
            replayed=tuple(source.corpus for source in _sources(stage, replay=True)),
            trains=stage.trains.text,
        )
        for stage, first in zip(chain.stages, chain.starts, strict=False)
    ]


def _sources(stage: ChainStage, replay: bool) -> list[Source]:
    return [source for source in stage.mixture.sources if source.replay == replay]


def _bytes_per_token(manifests: Mapping[str, Manifest]) -> dict[str, float]:
    """UTF-8 bytes of text for each token of the validation split, end-of-document included."""
    splits = {name: manifest.validation for name, manifest in manifests.items()}
    return {name: split.bytes / split.tokens for name, split in splits.items()}
