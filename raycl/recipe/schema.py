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

from raycl.errors import FieldError, shown
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
    parse_real,
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


LONGEST_NAME = 100
"""Characters of a name that becomes a file's or a folder's. File systems take 255 bytes."""
LONGEST_LABEL = 2000
"""Characters of a recipe's label. What is longer cannot be read in a table."""
_LONGEST_PATH = 4096
_LONGEST_SEQUENCE = 10**7
_LARGEST_BATCH = 10**8
_LARGEST_VOCABULARY = 10**8
_MOST_WORKERS = 10**5
_EXPONENT = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")

Text = Annotated[str, Field(min_length=1, max_length=_LONGEST_PATH)]
"""A path, a URL or a name."""

LATER = "later"
"""The word in a field's name that stands for every stage but the first, as in `later.replay`."""

_ANNOTATIONS = ("title", "description", "default")


T = TypeVar("T")
FrozenMapping = Annotated[Mapping[str, T], AfterValidator(frozen)]
"""A mapping that cannot change and that has a hash, so that recipes and stages can be keys."""


def _exponents_read(value: Any) -> Any:
    """Text such as 1e-5 as the number that it is: YAML takes it for text without a point."""
    if isinstance(value, Mapping):
        return {name: _exponents_read(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_exponents_read(inner) for inner in value]
    if isinstance(value, str) and _EXPONENT.fullmatch(value):
        return parse_real(value)
    return value


class Model(Configuration):
    """The model: a preset or a Hugging Face configuration from random weights, or a checkpoint."""

    preset: Text | None = Field(default=None, description="name of a preset, such as gpt-neox-405m")
    config: Annotated[FrozenMapping[Any], BeforeValidator(_exponents_read)] = Field(
        default_factory=FrozenDict,
        description="Hugging Face configuration; together with a preset, what differs from it",
    )
    pretrained: Text | None = Field(
        default=None,
        description="a checkpoint to continue from: its folder, its hub name, or its identifier in "
        "the storage",
    )
    weights: Literal["pretrained", "random"] = Field(
        default="pretrained",
        description="`random`: take only the configuration of `pretrained`, as the baseline "
        "`scratch` does",
    )

    @model_validator(mode="after")
    def _vocabulary(self) -> Model:
        size = self.config.get("vocab_size", 1)
        # bool is an int in Python.
        if type(size) is not int or not 0 < size <= _LARGEST_VOCABULARY:
            raise FieldError(
                f"config.vocab_size {shown(size)} is not a number of tokens", "Give 50304"
            )
        return self

    @model_validator(mode="after")
    def _weights(self) -> Model:
        if self.weights == "random" and self.pretrained is None:
            raise FieldError(
                "weights: random is about a pretrained model, and there is none",
                "Leave it out: a preset or a configuration begins with random weights anyway",
            )
        return self


class TrainTokenizer(Configuration):
    """Train a byte-level BPE on the corpora of the recipe."""

    vocabulary: Count = Field(gt=256, le=_LARGEST_VOCABULARY, description="number of tokens")
    sample_bytes: Count = Field(default=4_000_000, gt=0, description="bytes read from each corpus")


class Tokenizer(Configuration):
    """The source of the tokenizer: exactly one of `load` and `train` is given."""

    load: Text | None = Field(default=None, description="tokenizer.json, its folder or a hub name")
    train: TrainTokenizer | None = None
    end_of_document: Text | None = Field(
        default=None, min_length=1, description="token after each document; default: its own"
    )
    begin_of_document: Text | None = Field(
        default=None, min_length=1, description="token before each document, or none; its own"
    )
    unknown: Share = Field(
        default=Fraction(1, 1000),
        ge=0,
        le=1,
        description="share of a corpus' bytes that the tokenizer may be unable to write",
    )

    model_config = ConfigDict(json_schema_extra=_or({"type": "string"}))

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, data: Any) -> Any:
        return {"load": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _one(self) -> Tokenizer:
        if (self.load is None) == (self.train is None):
            raise FieldError(
                "give either `load` or `train`", "Give a tokenizer.json, its folder or a hub name"
            )
        if self.train is not None and (self.end_of_document or self.begin_of_document):
            raise FieldError(
                "end_of_document and begin_of_document are for a tokenizer that is loaded",
                "Leave them out: one that raycl trains has a token of its own",
            )
        return self


def _known_format(name: str) -> str:
    # Imported here: most recipes leave the format to the suffixes.
    from raycl.data.prepare.readers import READERS

    if name not in ("auto", *READERS):
        raise FieldError(
            f"there is no format {name!r}", f"Use one of auto, {', '.join(sorted(READERS))}"
        )
    return name


class Corpus(Configuration):
    """A corpus: text to prepare, or a real corpus that raycl can fetch for a first run."""

    text: tuple[Text, ...] = Field(
        default=(),
        description="files, folders or globs: text, JSON lines, JSON, Parquet",
        json_schema_extra=_or({"type": "string"}),
    )
    fetch: Text | None = Field(default=None, description="a corpus that `raycl fetch` knows")
    text_field: Text = Field(default="text", description="field of JSON or column of Parquet")
    format: Annotated[str, AfterValidator(_known_format)] = Field(
        default="auto",
        description="how the files are read: `text`, `jsonl`, `json` or `parquet`; `auto`: as "
        "their suffixes say",
    )
    document_separator: Text | None = Field(
        default=None,
        description="where the documents in a file of plain text end; by default at its end",
    )
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

    min: Count = Field(gt=0, le=_MOST_WORKERS, description="with fewer, training waits")
    max: Count = Field(gt=0, le=_MOST_WORKERS, description="with more, none is gained")

    model_config = ConfigDict(json_schema_extra=_or({"type": ["integer", "string"]}))

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, data: Any) -> Any:
        return data if isinstance(data, (Mapping, Workers)) else {"min": data, "max": data}

    @model_validator(mode="after")
    def _ordered(self) -> Workers:
        if self.min > self.max:
            raise FieldError(f"min {self.min} is more than max {self.max}", "Exchange them")
        return self


class Stage(Configuration):
    """A mixture of corpora, a replay share, a schedule and a number of tokens."""

    name: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)
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
            raise FieldError("give either `steps` or `tokens`", "Write one of them")
        if self.name == LATER:
            raise FieldError(f"{LATER!r} means every stage but the first", "Give another name")
        return self

    @property
    def replay_share(self) -> Fraction:
        """Share of old data in every batch."""
        if isinstance(self.replay, Fraction):
            return self.replay
        return sum(self.replay.values(), Fraction(0))


def _check_axis(name: str, values: tuple[Any, ...] | str) -> None:
    """Raise FieldError for an entry of a grid that is neither a label nor a list of values."""
    if name == "label":
        one_line = isinstance(values, str) and values.isprintable()
        if not one_line or not 0 < len(values) <= LONGEST_LABEL:
            problem = f"sweep.label is {shown(thawed(values))}"
            raise FieldError(problem, f"Give one line of at most {LONGEST_LABEL} characters")
    elif isinstance(values, str):
        raise FieldError(f"sweep.{name} is {shown(values)}", "Give a list of values")
    elif not values:
        raise FieldError(f"sweep.{name} has no values", "Give one or more")


class Recipe(Configuration):
    """One file: a chain of stages, and the sweep over its fields."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)
    seed: Count = Field(
        default=0,
        description="draws the initial weights, and nothing else: not the order of rows and not "
        "the held-out documents, which the seeds of corpora decide; without any effect on a "
        "pretrained model",
    )
    model: Model
    tokenizer: Tokenizer
    sequence_length: Count = Field(gt=0, le=_LONGEST_SEQUENCE)
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
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise FieldError(
                f"two stages are called {twice!r}", "Give each its own name and a `mixture`"
            )
        for grid in self.sweep:
            for name, values in grid.items():
                _check_axis(name, values)
        return self

    @property
    def rows_per_step(self) -> int:
        """The global batch in rows."""
        if isinstance(self.global_batch, int):
            return self.global_batch
        tokens = parse_whole(self.global_batch.removesuffix("s").removesuffix("token"))
        return tokens // self.sequence_length
