"""A first recipe as text, in which each line's comment says why it has this value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from raycl.recipe.starter.answers import Answers, TextAnswer
from raycl.recipe.starter.lines import comment, header, line, text_of
from raycl.recipe.starter.points import baselines, other_rates, replays, stage_lengths
from raycl.recipe.starter.sizes import Sizes, held_out, sizes
from raycl.recipe.starter.stages import (
    rate_values,
    readings,
    repetition,
    stage_lines,
    too_often,
)
from raycl.units import format_count, format_number


@dataclass(frozen=True)
class Starter:
    """A first recipe, and what to know of it."""

    text: str
    """YAML with comments."""
    remarks: tuple[str, ...]


def starter_recipe(answers: Answers) -> Starter:
    """The recipe for the answers.

    Raises InputError, which names the answer to change, where text or budget are too small.
    """
    found = sizes(answers)
    held = {
        text.name: held_out(text, found, flag)
        for text, flag in ((answers.new, "--new"), (answers.old, "--old"))
        if text is not None
    }
    often = readings(answers, found, held)
    parts = [
        _head(answers),
        _model(answers),
        _size(answers, found),
        _corpora(answers, held),
        stage_lines(answers, found, often),
        _running(answers, found),
        _baselines(answers),
        _sweep(answers, found),
    ]
    lines = [entry for part in parts if part for entry in (*part, "")]
    return Starter(text_of(lines[:-1]), _remarks(answers, often))


def _remarks(answers: Answers, often: Mapping[str, float]) -> tuple[str, ...]:
    """How the budget came about, and how often text is read, with what is too often."""
    said = [f"Budget: {answers.budget_note}."] if answers.budget_note else []
    said += [
        f"The stage {name} {repetition(n)}. {too_often(n)}".rstrip() for name, n in often.items()
    ]
    return tuple(said)


def _head(answers: Answers) -> list[str]:
    kept = f", and what that costs on {answers.old.name}" if answers.old else ""
    return [
        *comment(f"How well does the model learn {answers.new.name}{kept}?"),
        *(comment(f"Written by: {answers.command}") if answers.command else []),
        *comment(
            '"The paper" is Ibrahim et al. 2024, Simple and Scalable Strategies to Continually '
            "Pre-train Large Language Models (arXiv 2403.08763). `raycl schema` prints every field."
        ),
        *line("name", answers.name, "Results go to <storage>/sweeps under this name."),
        *line("seed", 1, "Draws random weights, and nothing else."),
        *comment(
            "To tell a difference from noise, train everything three times, with other weights, "
            "order of rows and held-out documents: `seeds: 3`. What is trained stays."
        ),
    ]


def _model(answers: Answers) -> list[str]:
    model, size = answers.model, format_count(answers.model.parameters)
    lines = header("model", f"{size} parameters.")
    for name, value in model.fields.items():
        lines += line(name, value, _MODEL.get(name, ""), 2)
    if model.given and answers.old is not None:
        lines += line(
            "knows",
            [answers.old.name],
            "Nobody has all that the model has read, so this corpus stands in for it: replay reads "
            "it, and forgetting is the rise of the loss on it.",
            2,
        )
    if model.tokenizer is None:
        why = "There is no `tokenizer`: with another one than its own, a model's weights would "
        return [*lines, *comment(f"{why}stand for other tokens.")]
    why = "Trained on all corpora, so that old and new text are written equally well."
    return [*lines, *line("tokenizer", model.tokenizer, why if "train" in model.tokenizer else "")]


_MODEL = {
    "preset": "Begins with random weights. Any Hugging Face configuration serves: {config: …}.",
    "weights": "Its configuration alone, with random weights.",
}


def _size(answers: Answers, found: Sizes) -> list[str]:
    fits = "At most the model's positions" if answers.model.positions else "Tokens of a row"
    if answers.model.positions:
        fits += f" ({answers.model.positions:,})"
    batch = "Sequences of a step, on all workers together. "
    batch += f"The paper has 2.26M tokens in a batch; {found.tokens_per_step:,} here give the "
    batch += "learning rate enough steps to rise and fall."
    why = f"{fits}; the paper has 2,048."
    if found.sequence_length < 2048:
        why = f"{fits}; the paper has 2,048, and less leaves more steps of a small budget."
    return [
        *line("sequence_length", found.sequence_length, why),
        *line("global_batch", found.rows, batch),
    ]


def _corpora(answers: Answers, held: dict[str, Fraction]) -> list[str]:
    lines = header(
        "corpora",
        "`validation` is the share of documents that is held out. Losses are measured on both, "
        "since adaptation alone says nothing about forgetting.",
    )
    for text in (answers.old, answers.new):
        if text is not None:
            share = f"{format_number(held[text.name] * 100)}%"
            fields = {**text.fields, "validation": share}
            lines += line(text.name, fields, _about(text, answers), 2)
    return lines


def _about(text: TextAnswer, answers: Answers) -> str:
    role = "New"
    if text is answers.old:
        role = "Stand-in for what the model knows" if answers.model.given else "Old"
    return f"{role}: {text.about}."


def _running(answers: Answers, found: Sizes) -> list[str]:
    every = max(1, found.steps // 10)
    execution: dict[str, object] = {"save_every": "10 minutes"}
    why = "An interrupted training goes on from its last state; the same command continues it."
    if not answers.more:
        execution["keep"] = "weights"
        why += " Of finished recipes the weights stay, a third of a state with its optimizer."
    else:
        why += " The optimizer's state is kept too: the next stage carries it over."
    rows = {"every": every, "rows": found.validation_rows}
    return [
        *line("validation", rows, "Ten times a stage, and before its first step."),
        *line("execution", execution, why),
    ]


def _baselines(answers: Answers) -> list[str]:
    found = baselines(answers)
    if not found:
        if answers.old is None:
            return comment("No baselines: they compare old and new text, and there is one text.")
        return comment(
            "No baselines: each would cost as much as the rest. `baselines: [union]` trains on "
            "old and new text at once, which is what replay is measured against (paper, Table 2)."
        )
    told = {
        "union": "union: old and new text at once, for as many tokens: the upper bound that costs "
        "most (paper, Table 2).",
        "scratch": "scratch: the new text alone from random weights.",
        "previous": "previous: the model as it came, for which nothing is trained.",
    }
    return [*(c for name in found for c in comment(told[name])), *line("baselines", list(found))]


def _sweep(answers: Answers, found: Sizes) -> list[str]:
    grids: list[str] = []
    new = answers.new.name
    if shares := replays(answers):
        grids += comment(
            "Replay is the dial between learning and forgetting, and its effect shows early "
            "(paper, Table 2): none, less, the recommended share, more.",
            2,
        )
        grids += _grid(f"{new}.replay", list(shares))
    if other_rates(answers):
        grids += comment(
            "The model's own highest rate is not known, so a lower and a higher one are tried: "
            "a high rate learns and forgets more (paper, Table 12). --max-lr says it.",
            2,
        )
        grids += _grid(*rate_values(answers, found, with_own=not replays(answers)))
    if not grids:
        return comment("Nothing is swept: add `sweep: {STAGE.schedule.max_lr: [1e-4, 3e-4]}`.")
    count = format_number(round(stage_lengths(answers), 2))
    why = f"Each value is a recipe; what recipes share is trained once. In all: {count} stages."
    return [*header("sweep", why), *grids]


def _grid(name: str, values: list[object]) -> list[str]:
    (written,) = line(name, values)
    return [f"  - {written}"]
