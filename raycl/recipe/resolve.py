"""A recipe and the facts of its corpora become a training: model, optimizer, chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from raycl.errors import InputError
from raycl.plan import presets
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.training import ModelSpec, Training
from raycl.recipe.grid import Branch
from raycl.recipe.schema import Recipe, Stage
from raycl.recipe.stage_rows import CorpusFacts, Past, stage_steps
from raycl.units import Length


def resolve(
    recipe: Recipe, corpora: Mapping[str, CorpusFacts], where: str, branch: Branch | None = None
) -> Training:
    """The whole training of one recipe, or of a branch off its last stage.

    Raises InputError for what cannot be trained.
    """
    return Resolver(corpora).resolve(recipe, where, branch)


class Resolver:
    """Resolves many recipes over the same corpora; what they have in common, once.

    Parts are known by their identity: equal ones of a sweep are the same object (see `points`).
    """

    def __init__(self, corpora: Mapping[str, CorpusFacts]) -> None:
        self._corpora = corpora
        self._folders = {name: facts.folder for name, facts in corpora.items()}
        self._fingerprints = {name: facts.fingerprint for name, facts in corpora.items()}
        self._vocabulary = max(facts.vocabulary for facts in corpora.values())
        self._stages: dict[tuple[Any, ...], tuple[ChainStage, Past]] = {}
        self._starts: dict[tuple[Any, ...], _Start] = {}
        self._alive: list[Recipe] = []
        """Whose parts are known: an identity may not become another part's."""

    def resolve(self, recipe: Recipe, where: str, branch: Branch | None = None) -> Training:
        """See the function `resolve`."""
        self._alive.append(recipe)
        _check_corpora(recipe, self._corpora, where)
        start = self._start(recipe, where)
        stages = self._resolved_stages(recipe, where, branch)
        chain = Chain(start.initial, stages, self._fingerprints, recipe.sequence_length)
        return Training(
            chain=chain,
            start=0,
            stop=chain.steps,
            model=start.model,
            optimizer=recipe.optimizer,
            seed=recipe.seed,
            sequence_length=recipe.sequence_length,
            corpora=self._folders,
            validation=recipe.validation,
            execution=recipe.execution,
        )

    def _start(self, recipe: Recipe, where: str) -> _Start:
        key = (
            id(recipe.model),
            id(recipe.optimizer),
            recipe.seed,
            recipe.execution.precision,
            recipe.sequence_length,
        )
        if key not in self._starts:
            self._starts[key] = _start(recipe, self._vocabulary, where)
        return self._starts[key]

    def _resolved_stages(
        self, recipe: Recipe, where: str, branch: Branch | None
    ) -> list[ChainStage]:
        """A stage is what it is by itself and by what the stages before it have read."""
        history, stages = Past(), []
        key: tuple[Any, ...] = (recipe.rows_per_step, recipe.sequence_length)
        for stage in recipe.stages:
            at = _leaves(stage, branch)
            key = (*key, id(stage), at)
            if key not in self._stages:
                history = history.copy()
                made = stage_steps(recipe, stage, self._corpora, history, at, f"{where}: ")
                self._stages[key] = made, history
            found, history = self._stages[key]
            stages.append(found)
        return stages


@dataclass(frozen=True)
class _Start:
    """Where a recipe's training begins, and its update rule."""

    model: ModelSpec
    initial: Mapping[str, Any]
    """All that names depend on besides the stages; see `Chain`."""


def _start(recipe: Recipe, vocabulary: int, where: str) -> _Start:
    model = model_spec(recipe, vocabulary, where)
    initial = {
        "model": dict(model.config),
        "pretrained": model.pretrained,
        "initialization": model.initialization,
        "seed": recipe.seed,
        "optimizer": recipe.optimizer.in_names(),
        "precision": recipe.execution.precision,
        "sequence_length": recipe.sequence_length,
    }
    return _Start(model, initial)


def _leaves(stage: Stage, branch: Branch | None) -> Length | None:
    return branch.at if branch is not None and branch.stage == stage.name else None


def model_spec(recipe: Recipe, vocabulary: int, where: str) -> ModelSpec:
    """The model's whole configuration, its vocabulary at least the tokenizer's."""
    model = recipe.model
    if model.pretrained is not None:
        if model.preset or model.config:
            raise InputError(f"{where}: model", "a checkpoint and a configuration", "Give one")
        return ModelSpec(pretrained=model.pretrained)
    if model.preset is None and "model_type" not in model.config:
        raise InputError(f"{where}: model", "nothing to build", "Give preset, config or pretrained")
    if model.preset is not None and model.preset not in presets.PRESETS:
        known = ", ".join(presets.PRESETS)
        raise InputError(f"{where}: model.preset {model.preset!r}", "unknown", f"Known: {known}")
    base = presets.PRESETS[model.preset] if model.preset else {}
    config = {"vocab_size": vocabulary, **base, **model.config}
    if config["vocab_size"] < vocabulary:
        raise InputError(
            f"{where}: model.config.vocab_size {config['vocab_size']}",
            f"the tokenizer has {vocabulary} tokens, more than the model",
            f"Give {vocabulary} or more, or leave it out",
        )
    initialization = "gpt-neox" if config["model_type"] == "gpt_neox" else "transformers"
    return ModelSpec(config=config, initialization=initialization)  # type: ignore[arg-type]


def _check_corpora(recipe: Recipe, corpora: Mapping[str, CorpusFacts], where: str) -> None:
    for stage in recipe.stages:
        for corpus in stage.mixture or {stage.name: Fraction(1)}:
            if corpus not in recipe.corpora:
                raise InputError(
                    f"{where}: stages.{stage.name}.mixture",
                    f"no corpus {corpus!r}",
                    f"Corpora of this recipe: {', '.join(recipe.corpora)}",
                )
        _check_workers(recipe, stage, where)
    for name, facts in corpora.items():
        if facts.row_length != recipe.sequence_length + 1:
            raise InputError(
                f"{where}: sequence_length {recipe.sequence_length}",
                f"the shards of corpus {name!r} hold sequences of {facts.row_length - 1} tokens",
                f"Give {facts.row_length - 1}, or prepare the text under another corpus name",
            )


def _check_workers(recipe: Recipe, stage: Stage, where: str) -> None:
    fewest, most = stage.workers.min, stage.workers.max
    for workers in range(fewest, most + 1):
        if recipe.rows_per_step % workers:
            which = "a number of workers that divides" if fewest == most else "a range that divides"
            raise InputError(
                f"{where}: stages.{stage.name}.workers {workers}",
                f"the global batch of {recipe.rows_per_step} rows cannot be shared equally",
                f"Give {which} it",
            )
