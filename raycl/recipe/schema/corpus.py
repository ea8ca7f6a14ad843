"""The corpora of a recipe: text or tokens, and how they are read and held out."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    model_validator,
)

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.common import (
    Text,
    or_shorter,
)
from raycl.recipe.schema.short_forms import corpus_form
from raycl.units import (
    Count,
    Length,
    PhaseLength,
    Share,
)


def _known_format(name: str) -> str:
    # Imported here: most recipes leave the format to the suffixes.
    from raycl.data.prepare.readers import READERS

    # Tokens have a field of their own, in place of `text`.
    formats = sorted(name for name, reader in READERS.items() if reader.suffixes)
    if name not in ("auto", *formats):
        raise FieldError(f"there is no format {name!r}", f"Use one of auto, {', '.join(formats)}")
    return name


def _a_part(sample: Length) -> Length:
    too_much = sample.unit == "fraction" and sample.value > 1
    if sample.unit == "steps" or sample.value <= 0 or too_much:
        raise FieldError(f"{sample} is no part of a corpus", "Write 3%, or '20M tokens'")
    return sample


WHOLE = Length(Fraction(1), "fraction")


class Corpus(Configuration):
    """A corpus: text or tokens to prepare, or a corpus that raycl can fetch for a first run."""

    text: tuple[Text, ...] = Field(
        default=(),
        description="files, folders or globs: text, JSON lines, JSON, Parquet, Arrow",
        json_schema_extra=or_shorter({"type": "string"}),
    )
    tokens: tuple[Text, ...] = Field(
        default=(),
        description="data sets of Megatron-LM or GPT-NeoX, each named by the path that its .bin "
        "and .idx share; globs too",
        json_schema_extra=or_shorter({"type": "string"}),
    )
    dataset: Text | None = Field(
        default=None,
        description="a Hugging Face dataset: a folder that `save_to_disk` wrote, or a name on the "
        "hub, `owner/name`",
    )
    split: Text | None = Field(default=None, description="of a `dataset`; by default its only one")
    config: Text | None = Field(
        default=None, description="of a `dataset`: the configuration, or subset"
    )
    revision: Text | None = Field(
        default=None, description="of a `dataset` on the hub: a branch, tag or commit"
    )
    fetch: Text | None = Field(default=None, description="a corpus that `raycl fetch` knows")
    text_field: Text = Field(
        default="text",
        description="field of JSON or column of Parquet; `text.body` is the field `body` within "
        "`text` unless a field has this very name",
    )
    format: Annotated[str, AfterValidator(_known_format)] = Field(
        default="auto",
        description="how the files are read: `text`, `jsonl`, `json`, `parquet` or `arrow`; "
        "`auto`: as their suffixes say",
    )
    document_separator: Text | None = Field(
        default=None,
        description="where the documents in a file of plain text end; by default at its end",
    )
    on_bad_record: Literal["error", "skip"] = Field(
        default="error",
        description="what a record does that cannot be read: end the preparation, or be passed "
        "over and counted",
    )
    validation: Share = Field(
        default=Fraction(1, 200), gt=0, lt=1, description="share of documents held out"
    )
    sample: Annotated[PhaseLength, AfterValidator(_a_part)] = Field(
        default=WHOLE,
        description="the part of its training rows that is read, `3%` or `20M tokens`: the first "
        "ones, which are a random sample because rows are shuffled; validation is the same",
    )
    shard_tokens: Count = Field(default=2**25, gt=0, description="tokens per shard, about")
    seed: Count = Field(default=0, description="of the shuffle and the held-out documents")
    held_out_seed: Count | None = Field(
        default=None, description="of the held-out documents alone; default: `seed`"
    )

    model_config = ConfigDict(
        json_schema_extra=or_shorter(
            {"type": ["string", "array"], "items": {"type": "string"}},
        )
    )

    _text_alone = model_validator(mode="before")(corpus_form)

    @model_validator(mode="after")
    def _parts_of_a_dataset(self) -> Corpus:
        for field in ("split", "config", "revision"):
            if getattr(self, field) is not None and self.dataset is None:
                raise FieldError(
                    f"`{field}` is a part of a `dataset`, and there is none",
                    "Give `dataset: owner/name` or a folder, or leave it out",
                )
        return self

    @model_validator(mode="after")
    def _of_text(self) -> Corpus:
        given = sorted(self.model_fields_set & {"text_field", "format", "document_separator"})
        if self.tokens and given:
            raise FieldError(
                f"`{given[0]}` is for text, and this corpus is `tokens`", "Leave it out"
            )
        return self
