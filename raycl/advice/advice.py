"""What advice is made of: a sentence, its points, what was compared, and the next command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raycl.results.uncertainty.intervals import Interval


@dataclass(frozen=True)
class Point:
    """One thing to know: its kind, a title of a few words, and a text of whole sentences.

    `kind` is "recommendation", "replay", "rate", "shift", "law", "warning" or "not tried".
    """

    kind: str
    title: str
    text: str


@dataclass(frozen=True)
class ComparedSetting:
    """A setting as the recommendation saw it; numbers are those of the objective."""

    setting: str
    value: Interval
    """Over its seeds; with one seed it has no bounds."""
    behind: Interval
    """Its value minus that of the best setting; zero without bounds for the best itself."""
    verdict: str
    """"recommended", "best", "within noise", "worse" or "breaks a bound"."""


@dataclass(frozen=True)
class Advice:
    """What to use and why. `command` is empty where nothing is known of the recipe's file."""

    headline: str
    points: tuple[Point, ...] = ()
    command: str = ""
    compared: tuple[ComparedSetting, ...] = ()
    objective: str = ""
    """What settings were compared by, in words."""


@dataclass(frozen=True)
class RecipeSource:
    """Where the recipe of a sweep stands, so that a next command can name it."""

    file: str
    """What `raycl sweep` takes: the path of the recipe, or its name."""
    storage: str
    sweep: str
    data: Mapping[str, Any]
    """The recipe as it was run."""
