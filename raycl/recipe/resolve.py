"""A recipe and the facts of its corpora become a training: model, optimizer, chain."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from raycl.errors import InputError, within
from raycl.models.configuration import check_configuration, check_positions
from raycl.models.start import Start
from raycl.plan import presets
from raycl.plan.chain import Chain, ChainStage
from raycl.plan.documents import ACROSS
from raycl.plan.execution import Device, Execution, precision_on
from raycl.plan.frozen import thawed
from raycl.plan.layout import chosen_layout
from raycl.plan.model_fields import refuse_noise, trained_fields
from raycl.plan.training import ModelSpec, Training
from raycl.plan.validation import Validation
from raycl.recipe.lengths import whole_steps
from raycl.recipe.mixtures import named_corpora
from raycl.recipe.past import Past
from raycl.recipe.resolution import Resolution
from raycl.recipe.schema import Model, Recipe, Stage
from raycl.recipe.stage_changes import forms
from raycl.recipe.stage_parts import stage_parts
from raycl.recipe.stage_rows import CorpusFacts
from raycl.recipe.stand_ins import known_before
from raycl.recipe.variants import Branch
from raycl.units import Length

MOST_STEPS = 10**7
"""The longest recipe: its states' names are hashed step by step, three million steps a second."""


def resolve(
    recipe: Recipe,
    corpora: Mapping[str, CorpusFacts],
    where: str,
    branch: Branch | None = None,
    resolution: Resolution | None = None,
) -> Training:
    """The whole training of one recipe, or of a branch off its last stage.

    Raises InputError for what cannot be trained.
    """
    return Resolver(corpora, resolution).resolve(recipe, where, branch)


@dataclass
class _Beginning:
    """Resolved stages with which several recipes begin, as a tree of what may follow them."""

    past: Past
    """Rows that those stages have read."""
    next: dict[tuple[Stage, Length | None], tuple[tuple[ChainStage, ...], _Beginning]] = field(
        default_factory=dict
    )
    """From the next stage, and the place where an anneal branch leaves it, to that stage resolved
    and the beginning that ends with it."""


class Resolver:
    """Resolves many recipes over the same corpora; stages with which several begin only once.

    A stage as steps depends on its own fields, on the sizes of a step, and on what the stages
    before it have read. So resolved stages form a tree, in which each recipe is a path.
    """

    def __init__(
        self,
        corpora: Mapping[str, CorpusFacts],
        resolution: Resolution | None = None,
        validation: Validation | None = None,
    ) -> None:
        """`validation` is that of the whole sweep, for recipes that leave their rows open."""
        self._validation = validation
        self._resolution = resolution or Resolution()
        self._corpora = corpora
        self._folders = {name: facts.folder for name, facts in corpora.items()}
        self._fingerprints = {name: facts.fingerprint for name, facts in corpora.items()}
        self._vocabulary = max(facts.vocabulary for facts in corpora.values())
        self._beginnings: dict[Hashable, _Beginning] = {}
        """The beginning before the first stage, by rows per step, sequence length and stand-ins."""

    def resolve(self, recipe: Recipe, where: str, branch: Branch | None = None) -> Training:
        """See the function `resolve`."""
        with within(where):
            _check_corpora(recipe, self._corpora)
            _check_steps(recipe)
            _check_layout(recipe)
            model = model_spec(recipe.model, self._vocabulary, self._resolution)
            check_positions(model.config, recipe.sequence_length)
            stages = self._resolved_stages(recipe, branch)
        execution = _resolved(recipe.execution, self._resolution.device)
        initial = _initial_state(recipe, model, execution.precision)
        own = recipe.corpora  # those of the other seeds of a sweep are not this recipe's
        fingerprints = {n: print_ for n, print_ in self._fingerprints.items() if n in own}
        chain = Chain(initial, stages, fingerprints, recipe.sequence_length)
        return Training(
            chain=chain,
            start=0,
            stop=chain.steps,
            model=model,
            optimizer=recipe.optimizer,
            seed=recipe.seed,
            sequence_length=recipe.sequence_length,
            corpora={name: folder for name, folder in self._folders.items() if name in own},
            validation=self._validation_of(recipe),
            execution=execution,
            documents=recipe.documents,
        )

    def _validation_of(self, recipe: Recipe) -> Validation:
        """All recipes of a sweep validate on one number of rows, whatever their batches are."""
        counted = recipe.counted_validation
        if self._validation is None or recipe.validation.is_counted:
            return counted
        return counted.model_copy(update={"rows": self._validation.rows})

    def _resolved_stages(self, recipe: Recipe, branch: Branch | None) -> list[ChainStage]:
        key = (recipe.rows_per_step, recipe.sequence_length, recipe.model.knows)
        if key not in self._beginnings:
            self._beginnings[key] = _Beginning(known_before(recipe, self._corpora))
        beginning = self._beginnings[key]
        stages: list[ChainStage] = []
        for stage in recipe.stages:
            at = branch.at if branch is not None and branch.stage == stage.name else None
            if (stage, at) not in beginning.next:
                past = beginning.past.copy()
                made = stage_parts(recipe, stage, self._corpora, past, at)
                beginning.next[stage, at] = made, _Beginning(past)
            made, beginning = beginning.next[stage, at]
            stages += made
        return stages


def _resolved(execution: Execution, device: Device) -> Execution:
    """The execution with the precision that `auto` means."""
    precision = precision_on(execution.precision, device)
    if precision == execution.precision:
        return execution
    return execution.model_copy(update={"precision": precision})


def _initial_state(recipe: Recipe, model: ModelSpec, precision: str) -> dict[str, Any]:
    """All values except the stages on which the names of a recipe's states depend; see `Chain`.

    The model's configuration is complete and a checkpoint is named by its content, so that a name
    depends on no path, and nothing that changes a step is missing. A further entry here would give
    every state another name, so that no stored state would be found again.
    """
    # Only where it is used, so that all that was stored before keeps its name.
    documents = {} if recipe.documents == ACROSS else {"documents": recipe.documents}
    return {
        "model": dict(model.config),
        "pretrained": model.pretrained,
        "initialization": _initial_draw(model),
        "seed": recipe.seed,
        "optimizer": recipe.optimizer.in_names(),
        "precision": precision,
        "sequence_length": recipe.sequence_length,
        **documents,
    }


def _initial_draw(model: ModelSpec) -> str:
    """How initial weights come about, as names of states have it."""
    # Earlier versions drew a class's weights otherwise: those of the whole model at once.
    drawn = model.pretrained is None and model.initialization == "transformers"
    return "transformers-2" if drawn else model.initialization


def model_spec(model: Model, vocabulary: int, resolution: Resolution) -> ModelSpec:
    """The model's whole configuration, with the tokenizer's vocabulary unless it has its own.

    Raises InputError where the recipe describes no model, two models, one with dropout, or one
    whose vocabulary is smaller than the tokenizer's.
    """
    if model.pretrained is not None:
        if model.preset or model.config:
            raise InputError("model", "a checkpoint and a configuration", "Give one")
        return _of_checkpoint(model, vocabulary, resolution.start(model.pretrained))
    if model.preset is None and "model_type" not in model.config:
        raise InputError("model", "nothing to build", "Give preset, config or pretrained")
    if model.preset is not None and model.preset not in presets.PRESETS:
        known = ", ".join(presets.PRESETS)
        raise InputError(f"model.preset {model.preset!r}", "unknown", f"Known: {known}")
    base = presets.PRESETS[model.preset] if model.preset else {}
    whole = {"vocab_size": vocabulary, **base, **thawed(model.config)}
    check_configuration(whole)
    refuse_noise(model.config, "model.config")
    config = trained_fields(whole)
    if config["vocab_size"] < vocabulary:
        raise InputError(
            f"model.config.vocab_size {config['vocab_size']}",
            f"the tokenizer has {vocabulary} tokens, more than the model",
            f"Give {vocabulary} or more, or leave it out",
        )
    return ModelSpec(config=config, initialization=_initialization(config))


def _of_checkpoint(model: Model, vocabulary: int, start: Start) -> ModelSpec:
    config = trained_fields(start.config)
    size = config.get("vocab_size")
    if isinstance(size, int) and size < vocabulary:
        raise InputError(
            f"model.pretrained {start.reference!r}",
            f"it has {size} tokens, fewer than the tokenizer's {vocabulary}",
            "Take the model's own tokenizer: `tokenizer` with the same value",
        )
    if model.weights == "random":
        return ModelSpec(config=config, initialization=_initialization(config))
    return ModelSpec(config=config, pretrained=start.identifier)


def _initialization(config: Mapping[str, Any]) -> Literal["gpt-neox", "transformers"]:
    return "gpt-neox" if config["model_type"] == "gpt_neox" else "transformers"


def _check_corpora(recipe: Recipe, corpora: Mapping[str, CorpusFacts]) -> None:
    """Raise InputError where a stage names no corpus of the recipe, or rows have other lengths."""
    for stage in recipe.stages:
        for corpus in (name for form in forms(stage) for name in named_corpora(form)):
            if corpus not in recipe.corpora:
                raise InputError(
                    f"stages.{stage.name}.mixture",
                    f"no corpus {corpus!r}",
                    f"Corpora of this recipe: {', '.join(recipe.corpora)}",
                )
        _check_workers(recipe, stage)
    for name, facts in corpora.items():
        if facts.row_length != recipe.sequence_length + 1:
            raise InputError(
                f"sequence_length {recipe.sequence_length}",
                f"the shards of corpus {name!r} hold sequences of {facts.row_length - 1} tokens",
                f"Give {facts.row_length - 1}, or prepare the text under another corpus name",
            )


def _check_layout(recipe: Recipe) -> None:
    """Raise InputError where a number of workers does not divide into the recipe's layout."""
    for stage in recipe.stages:
        for workers in range(stage.workers.min, stage.workers.max + 1):
            chosen_layout(recipe.execution.layout, workers)


def _check_steps(recipe: Recipe) -> None:
    """Raise InputError where a recipe has too many steps: planning looks at each of them."""
    lengths = {
        stage.name: max(whole_steps(recipe, form) for form in forms(stage))
        for stage in recipe.stages
    }
    total = sum(lengths.values())
    if total > MOST_STEPS:
        longest = max(lengths, key=lambda name: lengths[name])
        raise InputError(
            f"stages.{longest}",
            f"{lengths[longest]:,} steps, and the recipe may have {MOST_STEPS:,}",
            "Give fewer tokens or steps, or a larger global_batch",
        )


def _check_workers(recipe: Recipe, stage: Stage) -> None:
    """Raise InputError where a stage may have more workers than its global batch has rows."""
    if stage.workers.max > recipe.rows_per_step:
        raise InputError(
            f"stages.{stage.name}.workers {stage.workers.max}",
            f"more than the {recipe.rows_per_step} rows of the global batch, and each needs one",
            f"Give at most {recipe.rows_per_step}",
        )
