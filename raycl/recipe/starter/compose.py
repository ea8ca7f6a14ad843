"""Puts together what was answered and what was seen: sizes in tokens follow from all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from raycl.data.tokenizer.text_tokenizer import TextTokenizer
from raycl.recipe.starter.answers import Answers, ModelAnswer, Place, Shift, TextAnswer
from raycl.recipe.starter.budget import Budget, Speed, stage_tokens
from raycl.recipe.starter.model import RANDOM, preset_model, suitable_preset
from raycl.recipe.starter.place import speed
from raycl.recipe.starter.points import stage_lengths
from raycl.recipe.starter.sizes import GOOD_PASSES
from raycl.recipe.starter.text import LookedAt, SeenText, text_answer


@dataclass(frozen=True)
class GivenModel:
    """A model that was named and, where it is no preset, read."""

    reference: str
    answer: ModelAnswer | None = None
    tokenizer: TextTokenizer | None = None


@dataclass(frozen=True)
class GivenText:
    """Text that was named and looked at."""

    seen: SeenText
    looked: LookedAt


@dataclass(frozen=True)
class Choices:
    """What the other questions answer."""

    name: str
    shift: Shift | None
    budget: Budget
    place: Place
    storage: str = ""
    """Of the command that trains the recipe."""
    max_lr: float | None = None
    more: bool = False
    baselines: bool = True
    sequence_length: int | None = None
    command: str = ""


def composed(model: GivenModel, new: GivenText, old: GivenText | None, choices: Choices) -> Answers:
    """All answers, with tokens. Raises InputError where hours cannot become tokens."""
    rate = speed(choices.place) if choices.budget.kind == "seconds" else None
    if model.answer is not None and model.tokenizer is not None:
        return _with(model.answer, model.tokenizer, new, old, choices, rate)
    size = new.looked.bytes + (old.looked.bytes if old else 0)
    name = model.reference
    if name == RANDOM:

        def tokens(preset: ModelAnswer, bytes_per_token: float) -> float:
            found = _with(preset, bytes_per_token, new, old, choices, rate)
            return min(found.tokens, GOOD_PASSES * found.new.tokens)

        name = suitable_preset(size, tokens)
    preset, bytes_per_token = preset_model(name, size)
    return _with(preset, bytes_per_token, new, old, choices, rate)


def _with(
    model: ModelAnswer,
    tokenizer: TextTokenizer | float,
    new: GivenText,
    old: GivenText | None,
    choices: Choices,
    rate: Speed | None,
) -> Answers:
    learned = text_answer(new.seen, new.looked, tokenizer, ())
    before: TextAnswer | None = None
    if old is not None:
        before = text_answer(old.seen, old.looked, tokenizer, (learned.name,))
    answers = Answers(
        name=choices.name,
        model=model,
        new=learned,
        old=before,
        shift=choices.shift,
        tokens=0,
        place=choices.place,
        max_lr=choices.max_lr,
        more=choices.more,
        baselines=choices.baselines,
        sequence_length=choices.sequence_length,
        command=choices.command,
    )
    lengths = stage_lengths(answers)
    tokens, note = _tokens(answers, choices.budget, lengths, rate)
    return replace(answers, tokens=tokens, budget_note=note)


def _tokens(
    answers: Answers, budget: Budget, lengths: Fraction, rate: Speed | None
) -> tuple[int, str]:
    found = rate or Speed(1.0, "")  # of which only a budget in hours makes use
    flops = answers.model.flops_per_token
    return stage_tokens(budget, answers.new.tokens, float(lengths), flops, found)
