"""Recipes of English, then German, whose final losses are given by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from raycl.advice.advice import Advice, RecipeSource
from raycl.advice.advise import advise
from raycl.advice.choice import Choice, choose
from raycl.advice.goal import goal_of, settings_of
from raycl.results.outcome import RecipeOutcome
from raycl.results.table import results_table
from tests.helpers.outcomes import GERMAN, NAN, history, replayed

DATA: dict[str, Any] = {
    "name": "small",
    "model": {"preset": "gpt-neox-tiny"},
    "tokenizer": "tokenizer",
    "sequence_length": 16,
    "global_batch": 4,
    "corpora": {"english": {"text": "english.jsonl"}, "german": {"text": "german.jsonl"}},
    "stages": [
        {"name": "english", "steps": 2, "schedule": {"kind": "cosine", "max_lr": "3e-3"}},
        {"name": "german", "steps": 2, "schedule": {"kind": "cosine", "max_lr": "3e-3"}},
    ],
    "sweep": {"german.replay": ["0%", "5%", "25%", "50%"]},
}
SOURCE = RecipeSource("runs/my/sweeps/small/recipe.yaml", "runs/my", "small", DATA)


def german(
    replay: float, english: float, german: float, rate: float = 3e-3, **changes: Any
) -> RecipeOutcome:
    """A finished recipe with these final losses; both begin German at 4 and 7 nats/token."""
    fields: Mapping[str, object] = {"german.replay": f"{100 * replay:g}%"}
    if rate != GERMAN.max_lr:
        fields = {"german.schedule.max_lr": rate}
    stage = replace(GERMAN, replay_share=replay, max_lr=rate, replayed=("english",))
    curves = history([9.0, NAN, 4.0, NAN, english], [9.0, NAN, 7.0, NAN, german])
    label = f"replay {100 * replay:g}%" if rate == GERMAN.max_lr else f"max_lr {rate:g}"
    given: dict[str, Any] = {
        "fields": fields,
        "stages": (replayed().stages[0], stage),
        "history": curves,
        "validation_rows": {"english": 64, "german": 64},
    }
    return replayed(label, **(given | changes))


def seeds(replay: float, english: float, losses: list[float]) -> list[RecipeOutcome]:
    """A setting with a seed for each loss on German."""
    label = f"replay {100 * replay:g}%"
    return [
        replace(german(replay, english, loss), label=f"{label}, seed {n}", setting=label, seed=n)
        for n, loss in enumerate(losses)
    ]


def shares(**changes: Any) -> list[RecipeOutcome]:
    """Averages 6.0, 5.5, 5.0 and 4.99 at replay of 0, 5, 25 and 50 %."""
    ends = {0.0: (7.0, 5.0), 0.05: (5.9, 5.1), 0.25: (4.8, 5.2), 0.5: (4.58, 5.4)}
    return [german(share, *losses, **changes) for share, losses in ends.items()]


def chosen(outcomes: list[RecipeOutcome]) -> Choice:
    goal = goal_of(outcomes, results_table(outcomes))
    found = choose(settings_of(outcomes, goal), goal) if goal else None
    assert found is not None
    return found


def advised(outcomes: list[RecipeOutcome], objective: str | None = None) -> Advice:
    return advise(outcomes, results_table(outcomes), SOURCE, objective)


def said(advice: Advice, kind: str) -> str:
    """The titles and texts of a kind of points."""
    return "\n".join(f"{p.title}. {p.text}" for p in advice.points if p.kind == kind)
