"""The corpora of a recipe: text, and how it is read and held out."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated

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
    Share,
)


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
        json_schema_extra=or_shorter({"type": "string"}),
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

    model_config = ConfigDict(
        json_schema_extra=or_shorter(
            {"type": ["string", "array"], "items": {"type": "string"}},
        )
    )

    _text_alone = model_validator(mode="before")(corpus_form)
