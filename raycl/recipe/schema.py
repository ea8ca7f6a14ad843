"""What a user writes: a recipe, its corpora, model, stages, validation and sweep."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from raycl.errors import FieldError
from raycl.plan.anneal import Anneal
from raycl.plan.configuration import Configuration
from raycl.plan.execution import Execution
from raycl.plan.frozen import FrozenDict, frozen, thawed
from raycl.plan.optimizer import Optimizer
from raycl.plan.schedule import PRESETS, Schedule
from raycl.plan.validation import Validation
from raycl.storage.urls import CORPUS_NAME
from raycl.units import (
    Count,
    PhaseLength,
    Share,
    Weight,
    format_number,
    parse_share,
    parse_whole,
)


def _sequences_or_tokens(value: Any) -> int | str:
    """A global batch: a number of sequences as an int, or a number of tokens as it was written.

    Tokens stay text because only the whole recipe knows how many tokens a sequence has.
    """
    text = str(value).strip()
    if text.endswith(("tokens", "token")):
        parse_whole(text.removesuffix("s").removesuffix("token"))
        return text
    return parse_whole(text.removesuffix("s").removesuffix("sequence"))


def _or(short: dict[str, Any]) -> Callable[[dict[str, Any]], None]:
    """A change of a JSON schema: it then accepts `short` as well as the form it describes.

    Title, description and default stay outside of `anyOf`, since they hold for both forms.
    """

    def extend(schema: dict[str, Any]) -> None:
        full = {key: schema.pop(key) for key in list(schema) if key not in _ANNOTATIONS}
        schema["anyOf"] = [full, short]

    return extend


LATER = "later"
"""The word in a field's name that stands for every stage but the first, as in `later.replay`."""

_ANNOTATIONS = ("title", "description", "default")


T = TypeVar("T")
FrozenMapping = Annotated[Mapping[str, T], AfterValidator(frozen)]
"""A mapping that cannot change and that has a hash, so that recipes and stages can be keys."""


class Model(Configuration):
    """The model: a preset or a Hugging Face configuration from random weights, or a checkpoint."""

    preset: str | None = Field(default=None, description="name of a preset, such as gpt-neox-405m")
    config: FrozenMapping[Any] = Field(
        default_factory=FrozenDict,
        description="Hugging Face configuration; together with a preset, what differs from it",
    )
    pretrained: str | None = Field(
        default=None, description="folder or hub name of a checkpoint to continue from"
    )

    @model_validator(mode="after")
    def _vocabulary(self) -> Model:
        size = self.config.get("vocab_size", 1)
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise FieldError(f"config.vocab_size {size!r} is not a number of tokens", "Give 50304")
        return self


class TrainTokenizer(Configuration):
    """Train a byte-level BPE on the corpora of the recipe."""

    vocabulary: Count = Field(gt=256, description="number of tokens")
    sample_bytes: Count = Field(default=4_000_000, gt=0, description="bytes read from each corpus")


class Tokenizer(Configuration):
    """The source of the tokenizer: exactly one of `load` and `train` is given."""

    load: str | None = Field(default=None, description="tokenizer.json, its folder or a hub name")
    train: TrainTokenizer | None = None

    model_config = ConfigDict(json_schema_extra=_or({"type": "string"}))

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: Any) -> Any:
        return {"load": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one(self) -> Tokenizer:
        if (self.load is None) == (self.train is None):
            raise FieldError("give either `load` (a tokenizer.json or hub name) or `train`")
        return self


class Corpus(Configuration):
    """A corpus: text to prepare, or a real corpus that raycl can fetch for a first run."""

    text: tuple[str, ...] = Field(
        default=(),
        description="files or globs: text, JSONL, Parquet",
        json_schema_extra=_or({"type": "string"}),
    )
    fetch: str | None = Field(default=None, description="a corpus that `raycl fetch` knows")
    text_field: str = Field(default="text", description="field of JSONL or column of Parquet")
    validation: Share = Field(
        default=Fraction(1, 200), gt=0, lt=1, description="share of documents held out"
    )
    shard_tokens: Count = Field(default=2**25, gt=0, description="tokens per shard, about")
    seed: Count = Field(default=0, description="of the shuffle and the held-out documents")

    @model_validator(mode="before")
    @classmethod
    def _single_file(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("text"), str):
            return {**data, "text": [data["text"]]}
        return data


def _replay(value: Any) -> Fraction | dict[str, Fraction]:
    """One share of old data for the stage, or a share for each corpus that is named."""
    if not isinstance(value, Mapping):
        share = parse_share(value)
        if share == 1:
            raise FieldError("a stage with only old data has nothing new", "Give less than 100%")
        return share
    shares = {str(corpus): parse_share(share) for corpus, share in value.items()}
    if not shares or any(share == 0 for share in shares.values()):
        raise FieldError("a corpus with no share", "Leave it out, or give replay: 0%")
    if sum(shares.values()) >= 1:
        raise FieldError("the shares leave no new data", "Make them sum to less than 100%")
    return shares


def _written_replay(value: Fraction | Mapping[str, Fraction]) -> Any:
    if isinstance(value, Fraction):
        return format_number(value)
    return {corpus: format_number(share) for corpus, share in value.items()}


Replay = Annotated[
    Fraction | FrozenMapping[Fraction],
    BeforeValidator(_replay),
    PlainSerializer(_written_replay),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["number", "string"], "examples": ["5%"]},
                {"type": "object", "additionalProperties": {"type": ["number", "string"]}},
            ]
        }
    ),
]


class Workers(Configuration):
    """FSDP workers: a number, or a range that follows the machines there are."""

    min: Count = Field(gt=0, description="with fewer, training waits")
    max: Count = Field(gt=0, description="with more, none is gained")

    model_config = ConfigDict(json_schema_extra=_or({"type": ["integer", "string"]}))

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, data: Any) -> Any:
        return data if isinstance(data, (Mapping, Workers)) else {"min": data, "max": data}

    @model_validator(mode="after")
    def _ordered(self) -> Workers:
        if self.min > self.max:
            raise FieldError(f"min {self.min} is more than max {self.max}")
        return self


class Stage(Configuration):
    """A mixture of corpora, a replay share, a schedule and a number of tokens."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")
    mixture: FrozenMapping[Weight] = Field(
        default_factory=FrozenDict,
        description="share of each corpus in the new data; default: the corpus named as the stage",
    )
    replay: Replay = Field(
        default=Fraction(0),
        description="share of old data in every batch, split by tokens seen; or the shares of "
        "corpora by name",
    )
    replay_from: Literal["seen", "all"] = Field(
        default="seen", description="replay only rows that were seen, or all rows of its corpora"
    )
    steps: Count | None = Field(default=None, gt=0, description="length in optimizer steps")
    tokens: Count | None = Field(
        default=None, gt=0, description="length in tokens, replay included"
    )
    stop_after: PhaseLength | None = Field(
        default=None,
        description="train only this first part of the stage; lengths refer to the whole",
    )
    schedule: Schedule = Field(json_schema_extra=_or({"enum": list(PRESETS)}))
    anneal: Anneal | None = Field(
        default=None, description="branches off this stage; the next one goes on without them"
    )
    optimizer: Literal["reset", "carry"] = Field(
        default="reset", description="AdamW state at the hand-off into this stage"
    )
    at_end: Literal["repeat", "stop", "error"] = Field(
        default="error", description="when a corpus has no more rows"
    )
    workers: Workers = Field(
        default=Workers(min=1, max=1),
        description="FSDP workers; {min: …, max: …} as machines come and go",
    )

    @model_validator(mode="after")
    def _length(self) -> Stage:
        if (self.steps is None) == (self.tokens is None):
            raise FieldError("give either `steps` or `tokens`")
        if self.name == LATER:
            raise FieldError(f"{LATER!r} means every stage but the first", "Give another name")
        return self

    @property
    def replay_share(self) -> Fraction:
        """Share of old data in every batch."""
        if isinstance(self.replay, Fraction):
            return self.replay
        return sum(self.replay.values(), Fraction(0))


class Recipe(Configuration):
    """One file: a chain of stages, and the sweep over its fields."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    seed: Count = 0
    model: Model
    tokenizer: Tokenizer
    sequence_length: Count = Field(gt=0)
    global_batch: Annotated[int | str, BeforeValidator(_sequences_or_tokens)] = Field(
        description="sequences per step, or '2.26M tokens'"
    )
    corpora: FrozenMapping[Corpus]
    stages: tuple[Stage, ...] = Field(min_length=1)
    optimizer: Optimizer = Optimizer()
    validation: Validation = Validation()
    execution: Execution = Execution()
    baselines: tuple[Literal["union", "scratch", "previous"], ...] = ()
    sweep: tuple[FrozenMapping[tuple[Any, ...] | str], ...] = Field(
        default=(),
        description="grids: field to its values; every combination is a recipe. `label` names a "
        "grid's recipes; `later.replay` is the field of every stage but the first",
        json_schema_extra=_or({"type": "object"}),
    )

    @model_validator(mode="before")
    @classmethod
    def _one_grid(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("sweep"), dict):
            return {**data, "sweep": [data["sweep"]]}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        # These checks need several fields at once, so that no single field can make them.
        if self.rows_per_step < 1:
            raise FieldError(
                f"global_batch {self.global_batch} is less than one sequence", "Give a larger one"
            )
        for name in self.corpora:
            if not re.fullmatch(CORPUS_NAME, name):
                raise FieldError(
                    f"corpus {name!r} has a name that cannot be the name of a folder",
                    "Use letters, digits, '.', '_' and '-'",
                )
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise FieldError(
                f"two stages are called {twice!r}", "Give each its own name and a `mixture`"
            )
        for grid in self.sweep:
            for name, values in grid.items():
                # A grid's label is the only entry that is text; every other one lists values.
                if isinstance(values, str) != (name == "label"):
                    raise FieldError(f"sweep.{name} is {thawed(values)!r}", "Give a list of values")
                if not values:
                    raise FieldError(f"sweep.{name} has no values", "Give one or more")
        return self

    @property
    def rows_per_step(self) -> int:
        """The global batch in rows."""
        if isinstance(self.global_batch, int):
            return self.global_batch
        tokens = parse_whole(self.global_batch.removesuffix("s").removesuffix("token"))
        return tokens // self.sequence_length
