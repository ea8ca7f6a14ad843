"""The whole recipe, with the checks that need several of its parts at once."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)

from raycl.errors import FieldError, shown
from raycl.plan.configuration import Configuration
from raycl.plan.documents import ACROSS, Documents
from raycl.plan.execution import Execution
from raycl.plan.frozen import thawed
from raycl.plan.optimizer import Optimizer
from raycl.plan.validation import Validation
from raycl.recipe.schema.common import (
    LONGEST_LABEL,
    LONGEST_NAME,
    FrozenMapping,
    or_shorter,
)
from raycl.recipe.schema.corpus import Corpus
from raycl.recipe.schema.merge import Merge
from raycl.recipe.schema.merge_search import MergeSearch
from raycl.recipe.schema.model import Model, Tokenizer
from raycl.recipe.schema.notify import Notify
from raycl.recipe.schema.ranges import AXIS_SCHEMA, is_range, range_of
from raycl.recipe.schema.search import GRID, MOST_TRIALS, Search
from raycl.recipe.schema.seeds import Seeds
from raycl.recipe.schema.short_forms import check_collections
from raycl.recipe.schema.stage import Stage
from raycl.recipe.schema.trackers import DEFAULT as DEFAULT_TRACKERS
from raycl.recipe.schema.trackers import Trackers, trackers_form
from raycl.storage.urls import CORPUS_NAME
from raycl.units import (
    Count,
    parse_whole,
)

_LONGEST_SEQUENCE = 10**7
_LARGEST_BATCH = 10**8


def _sequences_or_tokens(value: Any) -> int | str:
    """A global batch: a number of sequences as an int, or a number of tokens as it was written.

    Tokens stay text because only the whole recipe knows how many tokens a sequence has.
    """
    text = str(value).strip()
    if text.endswith(("tokens", "token")):
        parse_whole(text.removesuffix("s").removesuffix("token"))
        return text
    return parse_whole(text.removesuffix("s").removesuffix("sequence"))


def _check_axis(name: str, values: Any) -> None:
    """Raise FieldError for an entry of a grid that is no label, no list of values and no range."""
    if name == "label":
        one_line = isinstance(values, str) and values.isprintable()
        if not one_line or not 0 < len(values) <= LONGEST_LABEL:
            problem = f"sweep.label is {shown(thawed(values))}"
            raise FieldError(problem, f"Give one line of at most {LONGEST_LABEL} characters")
    elif isinstance(values, Mapping):
        try:
            range_of(values)
        except FieldError as error:
            raise FieldError(f"sweep.{name}: {error.problem}", error.remedy) from error
    elif not isinstance(values, tuple):
        raise FieldError(f"sweep.{name} is {shown(values)}", "Give a list of values")
    elif not values:
        raise FieldError(f"sweep.{name} has no values", "Give one or more")


class Recipe(Configuration):
    """One file: a chain of stages, and the sweep over its fields."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
        max_length=LONGEST_NAME,
        description="results go to sweeps/<name> in the storage",
    )
    seed: Count = Field(
        default=0,
        description="draws the initial weights and the first values of LoRA adapters, and nothing "
        "else: not the order of rows and not the held-out documents, which the seeds of corpora "
        "decide; without any effect on a pretrained model that has no adapters",
    )
    seeds: Seeds | None = Field(
        default=None,
        description="train every recipe of the sweep, its branches and its baselines so many "
        "times, each time with other draws; number 0 is the recipe as it is without this field",
    )
    model: Model = Field(description="what is trained: a preset, a configuration, or weights")
    tokenizer: Tokenizer = Field(
        default=Tokenizer(), description="by default that of `model.pretrained`"
    )
    sequence_length: Count = Field(
        gt=0, le=_LONGEST_SEQUENCE, description="tokens that a row predicts"
    )
    global_batch: Annotated[int | str, BeforeValidator(_sequences_or_tokens)] = Field(
        description="sequences per step, or '2.26M tokens'"
    )
    documents: Documents = Field(
        default=ACROSS,
        description="whether attention goes over a whole row of documents, or stops with the loss "
        "at the border of each, where positions begin again; in training and in validation",
    )
    corpora: FrozenMapping[Corpus] = Field(description="text by name, for stages and validation")
    stages: tuple[Stage, ...] = Field(min_length=1, description="trainings that follow each other")
    optimizer: Optimizer = Field(default=Optimizer(), description="AdamW, of all stages")
    validation: Validation = Field(default=Validation(), description="when, and on how many rows")
    execution: Execution = Field(default=Execution(), description="how steps are computed")
    baselines: tuple[Literal["union", "scratch", "previous"], ...] = Field(
        default=(),
        description="recipes to compare with: all data at once, the last stage's data alone, "
        "the recipe without its last stage",
    )
    merge: tuple[Merge, ...] = Field(
        default=(),
        description="merges of every recipe's end with another model, made and measured after the "
        "training; no state of the training depends on them",
        json_schema_extra=or_shorter(Merge.model_json_schema()),
    )
    merge_search: MergeSearch | None = Field(
        default=None,
        description="one model for each corpus of the last stage, at the tokens of that stage "
        "together, and a search for the weights to merge them with",
    )
    sweep: tuple[FrozenMapping[Annotated[Any, WithJsonSchema(AXIS_SCHEMA)]], ...] = Field(
        default=(),
        description="grids: field to its values; every combination is a recipe. `label` names a "
        "grid's recipes; `later.replay` is the field of every stage but the first. With `search` a "
        "field may have a range: {log: [1e-4, 3e-3]}, {uniform: [0%, 50%]} or {integers: [1, 8]}",
        json_schema_extra=or_shorter({"type": "object"}),
    )
    search: Search | None = Field(
        default=None,
        description="recipes are proposed one after another by what the earlier ones have shown, "
        "instead of all combinations of the one grid in `sweep`",
    )
    trackers: Annotated[Trackers, BeforeValidator(trackers_form)] = Field(
        default=DEFAULT_TRACKERS,
        description="who follows the training: [tensorboard, mlflow, wandb, aim], or some of them "
        "with settings, {mlflow: {experiment: german}}. Nothing that is trained depends on them",
        json_schema_extra=or_shorter({"type": ["array", "string"]}),
    )
    notify: Notify | None = Field(
        default=None, description="a webhook that is told how the sweep goes"
    )

    @model_validator(mode="before")
    @classmethod
    def _lists_of_one(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        check_collections(data)
        alone = [name for name in ("sweep", "merge") if isinstance(data.get(name), dict)]
        return {**data, **{name: [data[name]] for name in alone}}

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        # These checks need several fields at once, so that no single field can make them.
        if self.rows_per_step < 1:
            raise FieldError(
                f"global_batch {self.global_batch} is less than one sequence", "Give a larger one"
            )
        if self.rows_per_step > _LARGEST_BATCH:
            raise FieldError(
                f"global_batch {self.global_batch} is more than {_LARGEST_BATCH:,} sequences",
                "Give a smaller one",
            )
        if not self.corpora:
            raise FieldError("corpora is empty", "Give one or more, each with its text")
        for name in self.corpora:
            if len(name) > LONGEST_NAME:
                raise FieldError(
                    f"corpus {shown(name)} has a name of {len(name):,} characters",
                    f"Give at most {LONGEST_NAME}",
                )
            if not re.fullmatch(CORPUS_NAME, name):
                raise FieldError(
                    f"corpus {shown(name)} has a name that cannot be the name of a folder",
                    "Use letters, digits, '.', '_' and '-'",
                )
        if self.tokenizer.is_own and not self._continues:
            raise FieldError(
                "tokenizer has neither `load` nor `train`, and there is no model.pretrained whose "
                "own it could be",
                "Give a tokenizer.json, its folder or a hub name, or {train: {vocabulary: 32k}}",
            )
        self._check_vocabulary()
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise FieldError(
                f"two stages are called {twice!r}", "Give each its own name and a `mixture`"
            )
        for grid in self.sweep:
            for name, values in grid.items():
                _check_axis(name, values)
        self._check_search()
        return self

    def _check_search(self) -> None:
        if self.search is None:
            ranges = (name for grid in self.sweep for name, v in grid.items() if is_range(v))
            if (name := next(ranges, None)) is not None:
                raise FieldError(
                    f"sweep.{name} is a range, and nothing says how to search it",
                    "Add `search: {trials: 20}`, or give a list of values",
                )
            return
        if len(self.sweep) != 1 or not set(self.sweep[0]) - {"label"}:
            raise FieldError(
                f"search needs one grid in `sweep`, and there are {len(self.sweep)}"
                if len(self.sweep) != 1
                else "search needs a field to search, and the grid in `sweep` has none",
                "Write sweep: {seed: [1, 2, 3]}, with a list or a range for each field",
            )
        if self.search.sampler == GRID:
            self._check_all_combinations()
        stopping = self.search.early_stopping
        names = [stage.name for stage in self.stages]
        if stopping is not None and stopping.stage not in names:
            raise FieldError(
                f"search.early_stopping.stage is {shown(stopping.stage)}: no such stage",
                f"Give one of: {', '.join(names)}",
            )

    def _check_all_combinations(self) -> None:
        axes = {name: values for name, values in self.sweep[0].items() if name != "label"}
        if (name := next((n for n, values in axes.items() if is_range(values)), None)) is not None:
            raise FieldError(
                f"sweep.{name} is a range, and the sampler grid takes all values of a list",
                "Give a list of values, or another sampler: search: {sampler: random, trials: 20}",
            )
        points = math.prod(map(len, axes.values()))
        if points > MOST_TRIALS:
            raise FieldError(
                f"search.sampler grid would propose {points:,} recipes, more than {MOST_TRIALS:,}",
                "Give fewer values, or another sampler: search: {sampler: random, trials: 20}",
            )

    def _check_vocabulary(self) -> None:
        wanted = self.model.vocabulary
        if wanted is None or self.tokenizer.is_own:
            return
        if wanted.tokenizer is not None and self.tokenizer.load is not None:
            return  # they are compared when they are read
        does = "adds tokens to" if wanted.tokenizer is None else "takes the place of"
        raise FieldError(
            f"model.vocabulary {does} the model's own tokenizer, and `tokenizer` names another",
            "Leave `load` and `train` out",
        )

    @property
    def _continues(self) -> bool:
        """Whether a pretrained model is named, in the model or in a sweep."""
        swept = (field for grid in self.sweep for field in grid)
        return self.model.pretrained is not None or any(
            field in ("model", "model.pretrained") for field in swept
        )

    @property
    def counted_validation(self) -> Validation:
        """The validation with the rows of each corpus, where the recipe leaves them open too."""
        corpora = max(1, len(self.corpora))
        return self.validation.of_each(corpora, self.sequence_length, self.rows_per_step)

    @property
    def rows_per_step(self) -> int:
        """The global batch in rows."""
        if isinstance(self.global_batch, int):
            return self.global_batch
        tokens = parse_whole(self.global_batch.removesuffix("s").removesuffix("token"))
        return tokens // self.sequence_length
