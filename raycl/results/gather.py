"""Gathers the outcomes of a sweep's recipes from the states along each recipe's chain."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping

import pandas as pd

from raycl.data.manifest import Manifest
from raycl.evaluation.store import Measured, read_losses, read_tasks
from raycl.plan.state_index import StateIndex
from raycl.plan.training import Training
from raycl.recipe import Variant
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.outcome import VALIDATION, BranchFact, RecipeOutcome, StageFact
from raycl.states.mark import StateMark, read_mark
from raycl.storage import Storage, layout


def gather(
    sweep: PlannedSweep, states: StoredStates, failed: frozenset[str] = frozenset()
) -> list[RecipeOutcome]:
    """The outcome of every recipe as far as storage holds it.

    `failed` are labels of recipes that failed. `states` may be shared by several sweeps of one
    storage, so that each state is read once.
    """
    bytes_per_token = _bytes_per_token(sweep.manifests)
    fingerprints = {name: fact.fingerprint for name, fact in sweep.facts.items()}
    return [
        _outcome(
            variant, sweep.trainings[variant.label], states, fingerprints, bytes_per_token, failed
        )
        for variant in sweep.definition.variants
    ]


class StoredStates:
    """The states `names` of a storage, each read once however many recipes and sweeps share it."""

    def __init__(self, storage: Storage, names: Iterable[str]) -> None:
        self.storage = storage
        self._index = StateIndex(names)
        self._records: dict[str, tuple[StateMark, pd.DataFrame]] = {}
        self._losses: dict[str, dict[Measured, float]] = {}

    def deepest(self, training: Training) -> str | None:
        """Name of the deepest complete state on a recipe's chain."""
        found = next(self._index.along(training.chain, training.chain.steps), None)
        return found[1] if found else None

    def history(
        self, name: str | None, validation_rows: int, fingerprints: Mapping[str, str]
    ) -> pd.DataFrame:
        """One line per step from the chain's first step to the state.

        The last line of a state lacks the loss on a corpus that was added after its training. It is
        filled with what `raycl evaluate` measured on as many rows of the corpus with this
        fingerprint, if it did.
        """
        parts: list[pd.DataFrame] = []
        while name is not None:
            mark, lines = self._read(name)
            parts.insert(0, self._completed(name, lines, validation_rows, fingerprints))
            name = mark.previous
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"step": []})

    def _completed(
        self, name: str, lines: pd.DataFrame, rows: int, fingerprints: Mapping[str, str]
    ) -> pd.DataFrame:
        last = lines.iloc[-1]
        found = {
            f"{VALIDATION}{corpus}": loss
            for corpus, fingerprint in fingerprints.items()
            if (loss := self._measured(name).get((corpus, fingerprint, rows))) is not None
            and pd.isna(last.get(f"{VALIDATION}{corpus}"))
        }
        if not found:
            return lines
        lines = lines.copy()
        for column, loss in found.items():
            lines.loc[lines.index[-1], column] = loss
        return lines

    def _measured(self, name: str) -> dict[Measured, float]:
        if name not in self._losses:
            self._losses[name] = read_losses(self.storage, name)
        return self._losses[name]

    def _read(self, name: str) -> tuple[StateMark, pd.DataFrame]:
        if name not in self._records:
            mark = read_mark(self.storage, name)
            data = self.storage.read_bytes(layout.state_history(name))
            self._records[name] = (mark, pd.read_parquet(io.BytesIO(data)))
        return self._records[name]


def _outcome(
    variant: Variant,
    training: Training,
    states: StoredStates,
    fingerprints: Mapping[str, str],
    bytes_per_token: Mapping[str, float],
    failed: frozenset[str],
) -> RecipeOutcome:
    state = states.deepest(training)
    finished = state == training.chain.name(training.chain.steps)
    status = "finished" if finished else "failed" if variant.label in failed else "unfinished"
    return RecipeOutcome(
        label=variant.label,
        kind=variant.kind,
        fields=variant.fields,
        stages=tuple(_stage_facts(training)),
        history=states.history(state, training.validation.rows, fingerprints),
        tokens_per_step=training.chain.tokens_per_step,
        bytes_per_token=bytes_per_token,
        state=state or "",
        status=status,
        starts_trained=training.model.pretrained is not None,
        final_steps=variant.recipe.validation.final_steps,
        tasks=read_tasks(states.storage, state) if state and finished else {},
        branch=branch_fact(variant),
        arm=variant.arm,
    )


def branch_fact(variant: Variant) -> BranchFact | None:
    """Where an anneal branch leaves its trunk; None for any other recipe."""
    if variant.branch is None:
        return None
    return BranchFact(variant.trunk, variant.branch.stage, variant.branch.at)


def _stage_facts(training: Training) -> list[StageFact]:
    chain = training.chain
    return [
        StageFact(
            name=stage.name,
            first_step=first,
            last_step=first + stage.steps,
            tokens=stage.steps * chain.tokens_per_step,
            new=tuple(source.corpus for source in stage.mixture.sources if not source.replay),
            replay_share=float(stage.mixture.replay),
            max_lr=stage.schedule.peak,
            schedule=str(getattr(stage.schedule, "kind", "anneal")),
        )
        for stage, first in zip(chain.stages, chain.starts, strict=False)
    ]


def _bytes_per_token(manifests: Mapping[str, Manifest]) -> dict[str, float]:
    """UTF-8 bytes of text for each token of the validation split, end-of-document included."""
    splits = {name: manifest.validation for name, manifest in manifests.items()}
    return {name: split.bytes / split.tokens for name, split in splits.items()}
