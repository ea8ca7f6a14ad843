"""The corpora that can be fetched by name, read from `catalogue.yaml`."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

from raycl.errors import InputError

Kind = Literal["html", "rst", "fortune", "dictionary", "text"]
Language = Literal["german"]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Entry):
    """Files of one Debian package. `package` lists its names; the first that can be had is used."""

    package: tuple[str, ...]
    path: str
    include: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    kind: Kind
    keep_code: bool = False
    split_at: str | None = None


class Known(_Entry):
    """The sha256 that the extracted text has for these package versions."""

    versions: dict[str, str]
    sha256: str


class Hub(_Entry):
    """A Hugging Face data set that is used where there are no Debian packages."""

    dataset: str
    config: str
    licence: str
    split: str = "train"
    text_field: str = "text"
    max_bytes: int = 12_000_000


class Corpus(_Entry):
    """One corpus: what it is, where its text lies, and what the text must hash to."""

    description: str
    licence: str
    language: Language | None = None
    sources: tuple[Source, ...]
    known: tuple[Known, ...] = ()
    hub: Hub | None = None

    def known_sha256(self, versions: dict[str, str]) -> str | None:
        """The sha256 for exactly these package versions; None where the catalogue lacks them."""
        return next((known.sha256 for known in self.known if known.versions == versions), None)


@cache
def load_catalogue() -> dict[str, Corpus]:
    """Every corpus of the packaged catalogue, by name."""
    text = (resources.files("raycl.data.corpora") / "catalogue.yaml").read_text(encoding="utf-8")
    return {name: Corpus.model_validate(entry) for name, entry in yaml.safe_load(text).items()}


def names() -> list[str]:
    """The names that `fetch` knows."""
    return list(load_catalogue())


def find(name: str) -> Corpus:
    """The corpus of that name. Raises InputError."""
    try:
        return load_catalogue()[name]
    except KeyError:
        raise InputError(
            f"corpus {name!r}",
            "there is no such corpus to fetch",
            f"Known are {', '.join(names())}; give your own text as corpora.{name}.text in the "
            "recipe",
        ) from None
