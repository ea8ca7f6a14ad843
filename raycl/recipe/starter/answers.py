"""What somebody has answered, or what was found out for them; a recipe is written from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Shift = Literal["weak", "strong"]
"""How far the new text is from the old: the same language and kind of text, or another one."""


@dataclass(frozen=True)
class ModelAnswer:
    """The model that is trained."""

    fields: Mapping[str, Any]
    """`model` of the recipe: `preset`, or `pretrained` and perhaps `weights: random`."""
    parameters: int
    flops_per_token: float
    """Of training, at a short sequence length."""
    positions: int | None
    """The longest sequence, where the configuration says it."""
    tokenizer: Mapping[str, Any] | None
    """`tokenizer` of the recipe; None: the model's own."""

    @property
    def given(self) -> bool:
        """Whether its weights were trained before."""
        return "pretrained" in self.fields and self.fields.get("weights") != "random"


@dataclass(frozen=True)
class TextAnswer:
    """A corpus."""

    name: str
    fields: Mapping[str, Any]
    """The corpus in the recipe, without `validation`."""
    tokens: int
    """About how many it has."""
    documents: int
    """About how many it has."""
    about: str
    """Where it is from and how much it is, for people."""


@dataclass(frozen=True)
class Place:
    """Where it is trained."""

    gpus: int = 0
    """GPUs of the machine or cluster; 0: CPUs."""
    kind: str | None = None
    """Their kind, such as H100, where it is known."""
    address: str | None = None
    """The address of a Ray cluster; None: this machine."""
    workers: int = 1
    """Workers that a recipe needs at least, on a GPU each where there are some."""


@dataclass(frozen=True)
class Answers:
    """All answers."""

    name: str
    model: ModelAnswer
    new: TextAnswer
    old: TextAnswer | None
    """Earlier text: that of the first stage, or a stand-in for what a given model has read."""
    shift: Shift | None
    """None where there is no old text."""
    tokens: int
    """Of the new stage, in each recipe of the sweep."""
    place: Place = Place()
    max_lr: float | None = None
    """The highest rate of the model's earlier training, where it is known."""
    more: bool = False
    """Whether more text will come after this."""
    baselines: bool = True
    sequence_length: int | None = None
    budget_note: str = ""
    """How a budget in hours became tokens, for people."""
    command: str = ""
    """The command that gives the same answers."""
