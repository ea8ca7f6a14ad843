"""A recipe and the facts of its corpora become steps: sources, cursors, chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np

from raycl import presets
from raycl.chain import Chain, ChainStage
from raycl.errors import InputError
from raycl.mixture import Mixture, Source, mixture_of
from raycl.quantities import Length, format_number
from raycl.recipe.expand import Branch
from raycl.recipe.fields import Recipe, Stage
from raycl.recipe.rates import annealed, check_phases, end_rate, known_schedule
from raycl.recipe.stages import shares, tokens_per_step, trained_steps, whole_steps
from raycl.schedule import Annealed, BaseSchedule
from raycl.training import ModelSpec, OptimizerSpec, Training


@dataclass(frozen=True)
class CorpusFacts:
    """What planning needs to know of a prepared corpus."""

    folder: str
    rows: int
    validation_rows: int
    row_length: int
    vocabulary: int
    fingerprint: str


@dataclass
class _History:
    """What the stages so far have read."""

    next_new: dict[str, int] = field(default_factory=dict)
    next_replay: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    """Rows from the first that were read as new data."""
    mixes: list[tuple[int, dict[str, Fraction]]] = field(default_factory=list)
    """Steps of each stage, and each corpus' share of its batches."""
    latest: ChainStage | None = None

    def copy(self) -> _History:
        """One to go on with."""
        return _History(
            dict(self.next_new), dict(self.next_replay), dict(self.seen), list(self.mixes),
            self.latest,
        )  # fmt: skip

    def shares(self) -> dict[str, Fraction]:
        """Each corpus' share of all that was read, replay included (paper §4)."""
        total = sum(steps for steps, _ in self.mixes)
        result: dict[str, Fraction] = {}
        for steps, mix in self.mixes:
            for corpus, share in mix.items():
                result[corpus] = result.get(corpus, Fraction(0)) + share * Fraction(steps, total)
        return result


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
        self._stages: dict[tuple[Any, ...], tuple[ChainStage, _History]] = {}
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
        execution = recipe.execution
        return Training(
            chain=chain, start=0, stop=chain.steps, model=start.model, optimizer=start.optimizer,
            seed=recipe.seed, sequence_length=recipe.sequence_length, corpora=self._folders,
            validation_every=recipe.validation.every, validation_rows=recipe.validation.rows,
            save_every=execution.save_every, keep_every=execution.keep_every,
            keep_last=execution.keep_last, max_skipped=execution.max_skipped,
            micro_batch=execution.micro_batch, precision=execution.precision,
            attention=execution.attention, compile=execution.compile,
            activation_checkpointing=execution.activation_checkpointing,
        )  # fmt: skip

    def _start(self, recipe: Recipe, where: str) -> _Start:
        key = (
            id(recipe.model), id(recipe.optimizer), recipe.seed, recipe.execution.precision,
            recipe.sequence_length,
        )  # fmt: skip
        if key not in self._starts:
            self._starts[key] = _start(recipe, self._vocabulary, where)
        return self._starts[key]

    def _resolved_stages(
        self, recipe: Recipe, where: str, branch: Branch | None
    ) -> list[ChainStage]:
        """A stage is what it is by itself and by what the stages before it have read."""
        history, stages = _History(), []
        key: tuple[Any, ...] = (recipe.rows_per_step, recipe.sequence_length)
        for stage in recipe.stages:
            at = _leaves(stage, branch)
            key = (*key, id(stage), at)
            if key not in self._stages:
                history = history.copy()
                made = _stage(recipe, stage, self._corpora, history, at, f"{where}: ")
                self._stages[key] = made, history
            found, history = self._stages[key]
            stages.append(found)
        return stages


@dataclass(frozen=True)
class _Start:
    """Where a recipe's training begins, and its update rule."""

    model: ModelSpec
    optimizer: OptimizerSpec
    initial: Mapping[str, Any]
    """All that names depend on besides the stages; see `Chain`."""


def _start(recipe: Recipe, vocabulary: int, where: str) -> _Start:
    model, optimizer = model_spec(recipe, vocabulary, where), recipe.optimizer.model_dump()
    initial = {
        "model": dict(model.config), "pretrained": model.pretrained,
        "initialization": model.initialization, "seed": recipe.seed, "optimizer": optimizer,
        "precision": recipe.execution.precision, "sequence_length": recipe.sequence_length,
    }  # fmt: skip
    return _Start(model, OptimizerSpec(**optimizer), initial)


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
                    f"{where}: stages.{stage.name}.mixture", f"no corpus {corpus!r}",
                    f"Corpora of this recipe: {', '.join(recipe.corpora)}",
                )  # fmt: skip
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


def _stage(
    recipe: Recipe, stage: Stage, corpora: Mapping[str, CorpusFacts], history: _History,
    at: Length | None, where: str,
) -> ChainStage:  # fmt: skip
    """One stage; `at` is where an anneal branch leaves it."""
    mixture = _mixture(recipe, stage, shares(stage, where), corpora, history, where)
    parent = None
    if history.latest is not None and not stage.schedule.known:
        parent = end_rate(history.latest, tokens_per_step(recipe))
    trunk = known_schedule(stage, parent, where)
    schedule: BaseSchedule | Annealed = trunk
    whole, wanted = whole_steps(recipe, stage), trained_steps(recipe, stage, where)
    if at is not None:
        schedule, wanted = annealed(recipe, stage, trunk, at, where)
    try:
        steps = _allowed_steps(stage, wanted, mixture, corpora, where)
        supplied = _supplied(mixture, steps)
    except OverflowError as error:
        raise InputError(
            f"{where}stages.{stage.name}", f"{wanted} steps are more than can be counted ({error})",
            "Give fewer tokens",
        ) from error  # fmt: skip
    if steps < wanted and stage.stop_after is None:
        whole = steps  # the schedule ends where its data does
    _check_supplied(stage, mixture, supplied, steps, where)
    check_phases(stage, whole, tokens_per_step(recipe), where)
    made = ChainStage(
        stage.name, steps, schedule, mixture, stage.optimizer == "reset",
        workers=stage.workers.max, fewest_workers=stage.workers.min, whole_steps=whole,
    )  # fmt: skip
    _remember(history, mixture, supplied, steps)
    history.latest = made
    return made


def _mixture(
    recipe: Recipe, stage: Stage, new: Mapping[str, Fraction],
    corpora: Mapping[str, CorpusFacts], history: _History, where: str,
) -> Mixture:  # fmt: skip
    sources = []
    for corpus, share in new.items():
        rows = corpora[corpus].rows
        if rows == 0:
            raise InputError(
                f"{where}stages.{stage.name}.mixture.{corpus}", "the corpus has no training rows",
                "Give it more text",
            )  # fmt: skip
        first = history.next_new.get(corpus, 0)
        first = first % rows if stage.at_end == "repeat" else first
        sources.append(Source(corpus, share, False, first, rows, stage.at_end))
    sources += _replay_sources(stage, corpora, history, where)
    return mixture_of(tuple(sources), recipe.rows_per_step, stage.replay_share)


def _replay_sources(
    stage: Stage, corpora: Mapping[str, CorpusFacts], history: _History, where: str
) -> list[Source]:
    """Old data, by what was seen of each corpus (paper §4) or as the stage names them."""
    field = f"{where}stages.{stage.name}.replay"
    if not stage.replay_share:
        return []
    if not history.mixes:
        raise InputError(
            field, "nothing was seen before the first stage",
            "Replay belongs to a later stage; data from elsewhere belongs to the mixture",
        )  # fmt: skip
    if isinstance(stage.replay, Fraction):
        weights = history.shares()
    else:
        weights = {c: share / stage.replay_share for c, share in stage.replay.items()}
    sources = []
    for corpus, weight in weights.items():
        if corpus not in corpora:
            raise InputError(f"{field}.{corpus}", "no such corpus", f"Known: {', '.join(corpora)}")
        limit = history.seen.get(corpus, 0)
        if stage.replay_from == "all":
            limit = corpora[corpus].rows
        if limit == 0:
            raise InputError(
                f"{field}.{corpus}", "no stage has seen this corpus before",
                f"Seen: {', '.join(history.seen)}; or give replay_from: all",
            )  # fmt: skip
        first = history.next_replay.get(corpus, 0) % limit
        sources.append(Source(corpus, weight, True, first, limit, "repeat"))
    return sources


@lru_cache(maxsize=1024)
def _supplied(mixture: Mixture, steps: int) -> tuple[int, ...]:
    """Rows of each source in a stage."""
    return tuple(int(rows) for rows in mixture.supplied(np.array([steps]))[:, 0])


@lru_cache(maxsize=1024)
def _steps_until_end(mixture: Mixture, steps: int) -> Mapping[str, int]:
    return mixture.steps_until_end(steps)


def _allowed_steps(
    stage: Stage, steps: int, mixture: Mixture, corpora: Mapping[str, CorpusFacts], where: str
) -> int:
    """The steps wanted, or with `at_end: stop` those that the corpora can fill."""
    allowed = _steps_until_end(mixture, steps)
    if not allowed or min(allowed.values()) >= steps:
        return steps
    corpus = min(allowed, key=lambda name: allowed[name])
    if stage.at_end == "stop" and allowed[corpus] > 0:
        return allowed[corpus]
    raise InputError(
        f"{where}stages.{stage.name}", f"{steps} steps need more rows than corpus {corpus!r} "
        f"has left ({corpora[corpus].rows} rows, enough for {allowed[corpus]} steps)",
        "Give fewer tokens, more text, or at_end: repeat",
    )  # fmt: skip


def _check_supplied(
    stage: Stage, mixture: Mixture, supplied: Sequence[int], steps: int, where: str
) -> None:
    """Refuse shares that give no row; what the history rule splits need only give some together."""
    by_rule = isinstance(stage.replay, Fraction)
    replayed = sum(n for s, n in zip(mixture.sources, supplied, strict=True) if s.replay)
    for source, rows in zip(mixture.sources, supplied, strict=True):
        if (replayed if source.replay and by_rule else rows) == 0:
            share = source.weight * (mixture.replay if source.replay else 1 - mixture.replay)
            field_name = "replay" if source.replay else f"mixture.{source.corpus}"
            raise InputError(
                f"{where}stages.{stage.name}.{field_name} {format_number(share)}",
                f"too small to give one row of {source.corpus!r} in {steps} steps",
                "Give a larger share or more steps, or leave it out",
            )


def _remember(history: _History, mixture: Mixture, supplied: Sequence[int], steps: int) -> None:
    mix: dict[str, Fraction] = {}
    for source, rows in zip(mixture.sources, supplied, strict=True):
        share = source.weight * (mixture.replay if source.replay else 1 - mixture.replay)
        mix[source.corpus] = mix.get(source.corpus, Fraction(0)) + share
        cursors = history.next_replay if source.replay else history.next_new
        cursors[source.corpus] = source.first + rows
    for source in mixture.sources:
        if not source.replay:
            reached = min(history.next_new[source.corpus], source.limit)
            wrapped = history.next_new[source.corpus] >= source.limit
            seen = source.limit if wrapped else reached
            history.seen[source.corpus] = max(seen, history.seen.get(source.corpus, 0))
    history.mixes.append((steps, mix))
