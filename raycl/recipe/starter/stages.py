"""The stages of a first recipe, with the paper's schedules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from raycl.recipe.starter.answers import Answers, Shift, TextAnswer
from raycl.recipe.starter.lines import header, line
from raycl.recipe.starter.points import ANNEAL, REPLAY, ends, other_rates, peak_rate
from raycl.recipe.starter.rates import PLATEAU, rate_text, usual_rate_text
from raycl.recipe.starter.sizes import GOOD_PASSES, Sizes, passes
from raycl.units import format_count, parse_share

_WARM_UP, _COOL_DOWN = Fraction(1, 100), Fraction(60, 100)
_LEAST_WARM_UP = 10
"""Steps: 1 % of a short stage would be none."""


def readings(answers: Answers, found: Sizes, held: Mapping[str, Fraction]) -> dict[str, float]:
    """How often each corpus is read in its own stage."""
    replayed = parse_share(REPLAY[answers.shift]) if answers.shift else Fraction(0)
    new, old = answers.new, answers.old
    often = {new.name: passes(new, 1 - replayed, held[new.name], found)}
    if old is not None and not answers.model.given:
        often[old.name] = passes(old, Fraction(1), held[old.name], found)
    return often


def stage_lines(answers: Answers, found: Sizes, often: Mapping[str, float]) -> list[str]:
    """The stages: one, or one on the old text before it where the model begins at random.

    `often` says how often each reads its text.
    """
    lines = header("stages")
    old, new = answers.old, answers.new
    if old is not None and not answers.model.given:
        lines += _stage(answers, found, old)
        lines += _schedule(answers, found, _FIRST)
        lines += _end(often[old.name])
        lines += [*_workers(answers, side_by_side=1), ""]
        lines += _stage(answers, found, new)
        lines += _later(answers, found)
    else:
        lines += _stage(answers, found, new)
        lines += _schedule(answers, found, _REWARM if answers.model.given else _FIRST)
    lines += _anneal(answers, found)
    if answers.shift is not None:
        lines += _replay(answers.shift)
    lines += _end(often[new.name])
    return [*lines, *_workers(answers, ends(answers))]


def rate_values(answers: Answers, found: Sizes, with_own: bool) -> tuple[str, list[Any]]:
    """The field that varies the highest rate, and its values; with the recipe's own one or not."""
    lower, higher = other_rates(answers)
    rates = (lower, peak_rate(answers), higher) if with_own else (lower, higher)
    if answers.more:  # the plateau's rate is a number of its own, so that the whole is varied
        return f"{answers.new.name}.schedule", [_infinite(rate, found) for rate in rates]
    return f"{answers.new.name}.schedule.max_lr", [rate_text(rate) for rate in rates]


def _stage(answers: Answers, found: Sizes, text: TextAnswer) -> list[str]:
    tokens = format_count(found.tokens)
    why = f"{found.tokens_per_step:,} tokens each, {tokens} in all"
    if text is answers.new and answers.budget_note:
        why += f": {answers.budget_note}"
    elif text is not answers.new:
        why += ", as many as the new text gets"
    return [
        f"  - {line('name', text.name)[0]}   # it reads the corpus of its name",
        *line("steps", found.steps, f"{why}.", 4),
    ]


_FIRST = "Linear warm-up, cosine decay to a tenth of the highest rate (paper, Eq. 1 and 2)."
_REWARM = (
    "Re-warm to the highest rate of the model's earlier training, and re-decay to a tenth of it: "
    "staying at the low rate at which that ended adapts worst (paper, Table 12). The length of the "
    "warm-up matters little (paper, Fig. 3)."
)
_INFINITE = (
    "More text will come, so this is an infinite schedule (paper, §7): after a cool-down the rate "
    "stays, and what comes later goes on from there without re-warming. Lengths in steps let you "
    "make the stage longer, and what is trained stays."
)


def _schedule(answers: Answers, found: Sizes, why: str) -> list[str]:
    rate = peak_rate(answers)
    known = ""
    if answers.max_lr is None:
        known = f" {usual_rate_text(answers.model.parameters)}"
    if answers.more:
        return line("schedule", _infinite(rate, found), _INFINITE + known, 4)
    return line("schedule", _cosine(rate, found), why + known, 4)


def _later(answers: Answers, found: Sizes) -> list[str]:
    """The schedule and the optimizer of the stage after one from random weights."""
    if answers.more:
        return [
            *line("schedule", "continue", "On the plateau, at the rate where the old one is.", 4),
            *line("optimizer", "carry", "Nothing jumps at the hand-off, so AdamW goes on.", 4),
        ]
    reset = (
        "AdamW begins anew: published models rarely come with its state (paper, §5.2). `carry` is "
        "the other choice."
    )
    return [*_schedule(answers, found, _REWARM), *line("optimizer", "reset", reset, 4)]


def _cosine(rate: float, found: Sizes) -> dict[str, Any]:
    return {
        "kind": "cosine",
        "max_lr": rate_text(rate),
        "min_lr": "10%",
        "warmup": _warm_up(found),
    }


def _infinite(rate: float, found: Sizes) -> dict[str, Any]:
    return {
        "kind": "infinite",
        "max_lr": rate_text(rate),
        "constant_lr": rate_text(PLATEAU * rate),
        "min_lr": "10%",
        "warmup": f"{_warm_up_steps(found)} steps",
        "cooldown": f"{math.floor(_COOL_DOWN * found.steps)} steps",
    }


def _warm_up(found: Sizes) -> str:
    """1 % of the stage, or in a short one as many steps as make a difference."""
    few = found.steps * _WARM_UP < _LEAST_WARM_UP
    return f"{_warm_up_steps(found)} steps" if few else "1%"


def _warm_up_steps(found: Sizes) -> int:
    return max(round(found.steps * _WARM_UP), min(_LEAST_WARM_UP, found.steps // 5))


def _anneal(answers: Answers, found: Sizes) -> list[str]:
    if not answers.more:
        return []
    steps = max(1, math.floor(ANNEAL * found.steps))
    value = {"at": ["100%"], "length": f"{steps} steps", "min_lr": "18%"}
    why = (
        "A branch off the plateau for a model to use now: exponential, down to a tenth of the "
        "highest rate (paper, §7). The next stage goes on without it."
    )
    return line("anneal", value, why, 4)


def _replay(shift: Shift) -> list[str]:
    share = REPLAY[shift]
    why = (
        f"Old text in every batch, at the same number of tokens: the paper's choice for a {shift} "
        f"shift, {share} (its Table 2). Its order is that of the earlier training."
    )
    return line("replay", share, why, 4)


def _end(often: float) -> list[str]:
    """What happens where the text ends, with how often it is read."""
    why = f"The stage {repetition(often)}"
    why += ", so it begins again." if often > 0.95 else "; an estimate, so it may begin again."
    return line("at_end", "repeat", f"{why} {too_often(often)}".rstrip(), 4)


def repetition(often: float) -> str:
    """How often text is read, as the end of a sentence."""
    if often < 0.95:
        return f"reads about {often:.0%} of its text"
    times = f"{often:.2g}"
    return f"reads its text about {'once' if times == '1' else f'{times} times'}"


def too_often(often: float) -> str:
    """The sentence on text that is read more often than it teaches; empty where it is not."""
    if often <= GOOD_PASSES:
        return ""
    return (
        f"More than {GOOD_PASSES} passes teach little (arXiv 2305.16264): find more text, or give "
        "a smaller budget."
    )


def _workers(answers: Answers, side_by_side: int) -> list[str]:
    """Workers of a stage that so many recipes go through, each by itself."""
    place = answers.place
    if not place.gpus:
        why = "One CPU for each recipe: several are trained side by side."
        return line("workers", place.workers, why, 4)
    share = max(1, place.gpus // side_by_side)
    workers = max(place.workers, 2 ** math.floor(math.log2(share)))
    why = "All recipes share this stage, so it gets the GPUs."
    if side_by_side > 1:
        why = f"{side_by_side} recipes share {place.gpus} GPUs, and exchange nothing side by side."
    if workers == place.workers > share:
        why = f"The model needs {workers} GPUs."
    return line("workers", workers, why, 4)
