"""Made-up outcomes of three stages with branches and every baseline, for the report's tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from raycl.results.outcome import BranchFact, RecipeOutcome, StageFact
from raycl.units import parse_length

STEPS = 1000  # of each stage
ANNEAL = 140
NAMES = ("pile", "german", "code")
TOKENS_PER_STEP = 65536
_START = 10.8


def stages(count: int = 3, replay: float = 0.0, extra: int = 0) -> tuple[StageFact, ...]:
    """The first stages; the last one `extra` steps longer."""
    return tuple(
        StageFact(
            name,
            place * STEPS,
            (place + 1) * STEPS + (extra if place == count - 1 else 0),
            (STEPS + (extra if place == count - 1 else 0)) * TOKENS_PER_STEP,
            (name,),
            replay if place else 0.0,
            3e-4,
        )
        for place, name in enumerate(NAMES[:count])
    )


def trunk_losses(final: float, lost: float, count: int = 3) -> dict[str, np.ndarray]:
    """Each corpus falls in its own stage, and rises at every later hand-off by `lost`."""
    along = np.arange(1, STEPS + 1) / STEPS
    curves = {}
    for own, name in enumerate(NAMES):
        level, parts = _START, []
        for stage in range(count):
            target = final + 0.2 * own if stage == own else level
            target += lost if stage > own else -0.7 if stage < own else 0.0
            speed = 0.1 if stage <= own else 0.05
            spike = 0.4 * lost * np.exp(-along / 0.15) * along / 0.05 if stage > own else 0.0
            parts.append(target + (level - target) * np.exp(-along / speed) + spike)
            level = float(parts[-1][-1])
        curves[name] = np.concatenate(parts)
    return curves


def history(losses: dict[str, np.ndarray], rates: np.ndarray, replay: float) -> pd.DataFrame:
    """A line before training, then one a step; validation after every 20 steps."""
    steps = np.arange(len(rates))
    measured = (steps + 1) % 20 == 0
    stage = np.minimum(steps // STEPS, 2)
    columns: dict[str, object] = {"step": steps, "learning_rate": rates, "seconds": 0.2}
    for place, name in enumerate(NAMES):
        columns[f"validation/{name}"] = np.where(measured, losses[name], np.nan)
        old = np.where(stage > place, 64 * replay / np.maximum(stage, 1), 0)
        columns[f"rows/{name}"] = np.where(stage == place, 64, old).round()
    first = {"step": [-1], **{f"validation/{name}": [_START] for name in NAMES}}
    return pd.concat([pd.DataFrame(first), pd.DataFrame(columns)], ignore_index=True)


def rewarmed() -> np.ndarray:
    """A cosine again in every stage."""
    along = np.arange(STEPS) / STEPS
    cosine = 3e-5 + 2.7e-4 * (1 + np.cos(np.pi * along)) / 2
    return np.tile(np.minimum(cosine, along / 0.01 * 3e-4), 3)


def infinite() -> np.ndarray:
    """Cool-down in the first stage, then constant."""
    along = np.minimum(np.arange(3 * STEPS) / 600, 1)
    return 1.65e-4 + 1.35e-4 * (1 + np.cos(np.pi * along)) / 2


def outcome(
    label: str, kind: str, facts: tuple[StageFact, ...], lines: pd.DataFrame, **fields: object
) -> RecipeOutcome:
    per_token = dict.fromkeys(NAMES, 4.0)
    return RecipeOutcome(label, kind, fields, facts, lines, TOKENS_PER_STEP, per_token)


def recipe(label: str, replay: float, final: float, lost: float) -> RecipeOutcome:
    lines = history(trunk_losses(final, lost), rewarmed(), replay)
    return outcome(label, "sweep", stages(3, replay), lines, **{"later.replay": f"{replay:.0%}"})


def anneal(trunk: RecipeOutcome, count: int) -> RecipeOutcome:
    """A branch off the end of a stage: all losses of what was learned fall by 0.25."""
    begun = trunk.history[trunk.history["step"] < count * STEPS]
    along = np.arange(1, ANNEAL + 1) / ANNEAL
    last = begun.iloc[-1]
    branch = pd.DataFrame({"step": np.arange(count * STEPS, count * STEPS + ANNEAL)})
    branch["learning_rate"] = float(last["learning_rate"]) * (3e-5 / 1.65e-4) ** along
    measured = (branch["step"] + 1) % 20 == 0
    for name in NAMES:
        fall = 0.25 * along if name in NAMES[:count] else 0.0
        branch[f"validation/{name}"] = (last[f"validation/{name}"] - fall) * np.where(
            measured, 1.0, np.nan
        )
    lines = pd.concat([begun, branch], ignore_index=True)
    label = f"{trunk.label}, anneal {NAMES[count - 1]} at 100%"
    made = outcome(label, "anneal", stages(count, 0.0, ANNEAL), lines, **trunk.fields)
    return replace(made, branch=BranchFact(trunk.label, NAMES[count - 1], parse_length("100%")))


def with_rows(lines: pd.DataFrame, rows: dict[str, int]) -> pd.DataFrame:
    trained = lines["step"] >= 0
    return lines.assign(**{f"rows/{n}": trained * rows.get(n, 0) for n in NAMES})


def baselines(like: RecipeOutcome) -> list[RecipeOutcome]:
    before = like.history[like.history["step"] < 2 * STEPS]
    along = np.arange(1, 3 * STEPS + 1) / (3 * STEPS)
    rates = 3e-5 + 2.7e-4 * (1 + np.cos(np.pi * along)) / 2
    union = {n: 2.3 + 0.2 * p + (_START - 2.5) * np.exp(-along / 0.1) for p, n in enumerate(NAMES)}
    alone = {
        name: (2.7 if name == "code" else 7.5)
        + (_START - (2.7 if name == "code" else 7.5)) * np.exp(-along[:STEPS] * 12)
        for name in NAMES
    }
    together = StageFact("union", 0, 3 * STEPS, 3 * STEPS * TOKENS_PER_STEP, NAMES)
    code = StageFact("code", 0, STEPS, STEPS * TOKENS_PER_STEP, ("code",))
    mixed = with_rows(history(union, rates, 0.0), {"pile": 22, "german": 21, "code": 21})
    scratch = with_rows(history(alone, rates[::3], 0.0), {"code": 64})
    return [
        outcome("pile, german only", "previous", stages(2), before),
        outcome("union", "union", (together,), mixed),
        outcome("code from scratch", "scratch", (code,), scratch),
    ]


def outcomes() -> list[RecipeOutcome]:
    """Two recipes of a replay sweep, one with an infinite schedule and branches, baselines."""
    lines = history(trunk_losses(2.45, 0.5), infinite(), 0.0)
    trunk = outcome("infinite cosine", "sweep", stages(), lines, **{"later.schedule": "continue"})
    replayed = [
        recipe("cosine, replay 0%", 0.0, 2.2, 0.8),
        recipe("cosine, replay 5%", 0.05, 2.25, 0.3),
    ]
    return [
        trunk,
        *(anneal(trunk, count) for count in (1, 2, 3)),
        *replayed,
        *baselines(replayed[0]),
    ]
