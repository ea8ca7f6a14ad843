"""How often a sweep is trained, and what differs between these times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field, model_validator

from raycl.errors import FieldError
from raycl.plan.configuration import Configuration
from raycl.recipe.schema.common import or_shorter
from raycl.recipe.schema.corpus import Corpus
from raycl.units import Count

MOST_SEEDS = 100
Varied = Literal["weights", "order", "held_out"]
ALL: tuple[Varied, ...] = ("weights", "order", "held_out")


class Seeds(Configuration):
    """Every recipe of a sweep, its branches and its baselines are trained `count` times."""

    count: Count = Field(gt=0, le=MOST_SEEDS, description="how often; number 0 is the recipe alone")
    vary: tuple[Varied, ...] = Field(
        default=ALL,
        min_length=1,
        description="what another number draws anew: the initial weights (and the first values of "
        "LoRA adapters), the order of rows, the documents that are held out",
    )

    model_config = ConfigDict(json_schema_extra=or_shorter({"type": "integer"}))

    @model_validator(mode="before")
    @classmethod
    def _number_alone(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            vary = data.get("vary")
            return {**data, "vary": [vary]} if isinstance(vary, str) else data
        return data if isinstance(data, Seeds) else {"count": data}

    @model_validator(mode="after")
    def _each_once(self) -> Seeds:
        if len(set(self.vary)) < len(self.vary):
            raise FieldError("seeds.vary names something twice", "Name each once")
        return self

    @property
    def varies_corpora(self) -> bool:
        """Whether the corpora of another number are prepared again."""
        return "order" in self.vary or "held_out" in self.vary

    def what(self, draws_weights: bool) -> str:
        """What another number draws anew, for people; no weights are drawn where all are read."""
        words = {
            "weights": "initial weights",
            "order": "order of rows",
            "held_out": "held-out documents",
        }
        named = (each for each in ALL if each in self.vary)
        return ", ".join(words[each] for each in named if each != "weights" or draws_weights)


class CorpusOfSeed(Corpus):
    """A corpus of a recipe once more, with the seeds of another number. No recipe file has it."""

    base: str
    """Its name in the recipe file."""
    number: int
    """Of the `seeds`, from 1."""


def number_of(corpus: Corpus) -> int:
    """Which of the `seeds` a corpus belongs to; 0 for those of the recipe file."""
    return corpus.number if isinstance(corpus, CorpusOfSeed) else 0


def base_name(name: str, corpus: Corpus) -> str:
    """The name in the recipe file of a corpus that is called `name` in a recipe."""
    return corpus.base if isinstance(corpus, CorpusOfSeed) else name
