"""Made-up evidence: outcomes of every experiment in a world whose losses we choose."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import INFINITE
from raycl.results.outcome import BranchFact, RecipeOutcome, StageFact
from raycl.units import parse_length
from tests.helpers.reproduction_worlds import HOLDING, Losses, World

STEPS, EVERY, TOKENS = 120, 5, 8192  # a stage's steps, steps between validations, tokens a step
PEAK, FLOOR = 3e-3, 3e-4
DOMAIN_NAMES = ("wiki", "books", "code", "news")


@dataclass(frozen=True)
class Part:
    """A stage: its new corpora, the rates of its steps, and every corpus' loss after it."""

    new: tuple[str, ...]
    rates: np.ndarray
    ends: Mapping[str, float]
    replay: float = 0.0
    bump: float = 0.0  # highest rise over the loss before, of every corpus seen before
    name: str = ""
    opening: float = 0.0


def cosine(peak: float = PEAK, warm: int = 2, steps: int = STEPS) -> np.ndarray:
    step = np.arange(steps)
    decay = 0.1 * peak + 0.45 * peak * (1 + np.cos(np.pi * (step - warm) / (steps - warm)))
    return np.where(step < warm, peak * step / max(warm, 1), decay)


def constant(rate: float, warm: int = 0, steps: int = STEPS) -> np.ndarray:
    step = np.arange(steps)
    return np.where(step < warm, rate * step / max(warm, 1), rate)


def infinite(label: str, anneal: int = 0, first: bool = True, steps: int = STEPS) -> np.ndarray:
    plateau, step = 0.5 * PEAK, np.arange(steps)
    if first:
        cooled = 0.6 * steps
        place = np.minimum(step / cooled, 1)
        fall = (1 + np.cos(np.pi * place)) / 2
        if label == INFINITE[1]:
            fall = 1 - ((1 + 10 * place) ** -0.5 - 1) / (11**-0.5 - 1)
        rates = np.minimum(plateau + (PEAK - plateau) * fall, PEAK * step / 2)
    else:
        rates = np.full(steps, plateau)
    if anneal:
        rates[-anneal:] = plateau * (FLOOR / plateau) ** (np.arange(anneal) / (anneal - 1))
    return rates


def _curve(start: float, end: float, bump: float, seen: bool) -> np.ndarray:
    """Validated losses within a stage; a bump of 0.1 is 0.1 above the start at its highest."""
    place = np.arange(1, STEPS // EVERY + 1) * EVERY / STEPS
    fall = (1 + 50 * place) ** -0.8
    way = (1 - fall) / (1 - fall[-1]) if not seen else (1 - np.exp(-6 * place)) / (1 - np.exp(-6))
    curve: np.ndarray = start + (end - start) * way
    if seen and bump:
        hill = np.exp(-(((place - 0.12) / 0.10) ** 2))
        curve = curve + max((start + bump - curve[2]), 0.0) * hill if bump > 0 else curve
        if bump < 0:  # stays below the start by as much throughout
            curve = np.minimum(curve, start + bump)
        curve[-1] = end
    return curve


def outcome(
    seed: int,
    label: str,
    parts: Sequence[Part],
    kind: str = "sweep",
    noise: float = 0.001,
    experiment: str = "",
) -> RecipeOutcome:
    """One recipe with its history.

    A seed shifts the losses of all its recipes by the same amount, and a recipe shifts its own a
    little more (`noise`, nats/token). `experiment` tells apart recipes of one label.
    """
    own = np.random.default_rng([seed, zlib.crc32(f"{experiment}{label}".encode())])
    common = np.random.default_rng(seed).normal(0, 0.02)
    steps = STEPS * len(parts)
    table = pd.DataFrame({"step": np.arange(-1, steps), "loss": np.nan})
    table["learning_rate"] = np.concatenate([[np.nan], *(part.rates for part in parts)])
    for corpus in dict.fromkeys(name for part in parts for name in part.ends):
        shift = common + own.normal(0, noise)
        column = np.full(steps + 1, np.nan)
        column[0], before, seen = 10.0, 10.0, False
        for number, part in enumerate(parts):
            moved = shift if number == len(parts) - 1 else common
            end = part.ends[corpus] + moved
            places = number * STEPS + np.arange(EVERY, STEPS + 1, EVERY)
            column[places] = _curve(before, end, part.bump, seen)
            before, seen = end, seen or corpus in part.new
        table[f"validation/{corpus}"] = column
    training = np.concatenate([5 - np.arange(STEPS) / STEPS for _ in parts])
    opening = (len(parts) - 1) * STEPS
    training[opening + 1 : opening + 6] += parts[-1].opening + own.normal(0, 0.01)
    table.loc[1:, "loss"] = training
    facts = tuple(
        StageFact(
            part.name or "+".join(part.new),
            number * STEPS,
            (number + 1) * STEPS,
            STEPS * TOKENS,
            part.new,
            part.replay,
            float(part.rates.max()),
        )
        for number, part in enumerate(parts)
    )
    return RecipeOutcome(label, kind, {}, facts, table, TOKENS)


def _pair(names: Sequence[str], losses: Losses) -> dict[str, float]:
    return dict(zip(names, losses, strict=True))


def _shift_runs(world: World, shift: str, seed: int) -> dict[str, list[RecipeOutcome]]:
    names = ("english", "kernel-docs" if shift == "weak" else "german")
    before = _pair(names, world.before if shift == "weak" else world.strong_before)
    first = Part((names[0],), cosine(), before)
    replay = f"e{5 if shift == 'weak' else 6}-replay-{shift}"

    def two(
        experiment: str,
        label: str,
        losses: Losses,
        rates: np.ndarray,
        share: float = 0.0,
        opening: float = 0.0,
    ) -> RecipeOutcome:
        bump = 0.04 + 20 * float(rates.max()) if share == 0 else 0.0
        last = Part((names[1],), rates, _pair(names, losses), share, bump, opening=opening)
        return outcome(seed, label, [first, last], "sweep", world.noise, experiment)

    def swept(made: RecipeOutcome, field: str, value: object) -> RecipeOutcome:
        return replace(made, fields={f"{names[1]}.{field}": value})

    ending = _pair(names, world.union[shift])
    scratch = (2.51, 2.53) if shift == "weak" else (3.97, 1.17)
    baselines = [
        outcome(seed, "union", [Part(names, cosine(), ending)], "union", noise=world.noise),
        outcome(seed, "scratch", [Part(names[1:], cosine(), _pair(names, scratch))], "scratch"),
        outcome(seed, "previous", [first], "previous"),
    ]
    rates = world.rates[shift]
    shapes = {
        "constant": constant(FLOOR),
        "warm": constant(PEAK, 2),
        "lowest": cosine(PEAK / 2),
        "middle": cosine(PEAK),
        "highest": cosine(2 * PEAK),
    }
    return {
        f"e1-scratch-{shift}": [
            outcome(seed, "scratch", [Part(names[1:], cosine(), _pair(names, scratch))])
        ],
        f"e2-union-{shift}": [
            outcome(seed, "union", [Part(names, cosine(), ending)], noise=world.noise)
        ],
        f"e3-warmup-{shift}": [
            swept(
                two(
                    f"e3{shift}",
                    f"warmup {100 * w:g}%",
                    losses,
                    cosine(warm=round(w * 1000)),
                    opening=world.spike if w == 0 else 0.0,
                ),
                "schedule.warmup",
                f"{100 * w:g}%",
            )
            for w, losses in world.warmups[shift].items()
        ],
        f"e4-max-lr-{shift}": [
            two(f"e4{shift}", name, losses, shapes[name]) for name, losses in rates.items()
        ],
        replay: [
            swept(two(replay, f"replay {100 * share:g}%", losses, cosine(), share), "replay", share)
            for share, losses in world.replay[shift].items()
        ]
        + baselines,
        f"e13-merge-{shift}": [
            _merged(names, world.merged[shift], seed, share) for share in (0.3, 0.5)
        ],
    }


def _merged(names: Sequence[str], losses: Losses, seed: int, share: float) -> RecipeOutcome:
    shift = np.random.default_rng(seed).normal(0, 0.02) + share / 100
    line = {f"validation/{n}": [loss + shift] for n, loss in zip(names, losses, strict=True)}
    stages = tuple(StageFact(n, 0, STEPS, STEPS * TOKENS, (n,)) for n in names)
    history = pd.DataFrame({"step": [2 * STEPS - 1], **line})
    return RecipeOutcome(f"merged at {share}", "merged", {}, stages, history, TOKENS)


def _scale(world: World, seed: int) -> list[RecipeOutcome]:
    names = ("english", "kernel-docs")
    first = Part(names[:1], cosine(), _pair(names, (1.75, 2.24)))
    found = [
        outcome(
            seed,
            f"replay {share}",
            [first, Part(names[1:], cosine(), _pair(names, losses), share)],
            noise=world.noise,
        )
        for share, losses in zip((0.0, 0.05), world.scale, strict=True)
    ]
    union = Part(names, cosine(), _pair(names, (1.72, 2.02)))
    scratch = Part(names[1:], cosine(), _pair(names, (2.08, 2.05)))
    return [
        *found,
        outcome(seed, "union", [union], "union"),
        outcome(seed, "scratch", [scratch], "scratch"),
        outcome(seed, "previous", [first], "previous"),
    ]


def _same_data(world: World, seed: int) -> list[RecipeOutcome]:
    first = Part(("english",), cosine(), {"english": 2.17})
    found = []
    for times, bump in zip((0.5, 1, 2), world.same_data, strict=True):
        end = 2.16 if bump > 0 else 2.05
        last = Part(("english",), cosine(times * PEAK), {"english": end}, bump=bump, name="again")
        found.append(outcome(seed, f"max_lr {times * PEAK:g}", [first, last], noise=world.noise))
    return found


def _gupta(world: World, seed: int) -> list[RecipeOutcome]:
    first = Part(("english",), cosine(), {"english": 2.17, "kernel-docs": 3.0})
    last = Part(("kernel-docs",), cosine(), {"english": 2.44, "kernel-docs": 2.5})
    labels = ("stop_after 9.5 steps, warmup 1%", "constant min_lr, stop_after 9.5 steps")
    return [outcome(seed, label, [first, last], noise=world.noise) for label in labels]


def _single(world: World, seed: int) -> list[RecipeOutcome]:
    labels = ("cosine", *INFINITE, "constant")
    shapes = [cosine(), *(infinite(label, 17) for label in INFINITE), constant(PEAK, 2)]
    return [
        replace(
            outcome(seed, label, [Part(("english",), rates, {"english": loss})], noise=world.noise),
            arm=label,
        )
        for label, rates, loss in zip(labels, shapes, world.single, strict=True)
    ]


def _stages(world: World, seed: int) -> list[RecipeOutcome]:
    found: list[RecipeOutcome] = []
    for number, label in enumerate(("cosine", *INFINITE)):
        parts: list[Part] = []
        branches: list[RecipeOutcome] = []
        for stage in range(3):
            name = f"sp-{stage + 1}"
            rates = cosine() if label == "cosine" else infinite(label, first=stage == 0)
            ends = {"english": world.trunk[number] + 0.10 * (2 - stage)}
            parts.append(
                Part(("english",), rates, ends, 0.0, world.bumps[number], f"sp-{stage + 1}")
            )
            if label == "cosine":
                continue
            annealed = infinite(label, 17, first=stage == 0)
            ends = {"english": world.annealed[number - 1] + 0.10 * (2 - stage)}
            branch = [*parts[:-1], replace(parts[-1], rates=annealed, ends=ends)]
            called = f"{label}, anneal {name} at 100%"
            made = outcome(seed, called, branch, "anneal", noise=world.noise)
            fact = BranchFact(label, name, parse_length("100%"))
            branches.append(replace(made, branch=fact, arm=label))
        trunk = replace(outcome(seed, label, parts, noise=world.noise), arm=label)
        found += [trunk, *(_leaves_late(branch, trunk) for branch in branches)]
    return found


def _leaves_late(branch: RecipeOutcome, trunk: RecipeOutcome) -> RecipeOutcome:
    """The branch with its trunk's losses up to the steps that anneal."""
    history, column = branch.history.copy(), "validation/english"
    end = branch.steps
    late = history["step"].between(end - 17, end - 1) & history[column].notna()
    until = history["step"] < end - 17
    history.loc[until, column] = trunk.history[column].iloc[: until.sum()]
    before = history.loc[until, column].dropna().iloc[-1]
    final = history[column].iloc[-1]
    history.loc[late, column] = np.linspace(before, final, late.sum() + 1)[1:]
    return replace(branch, history=history)


def _many(
    seed: int, label: str, mean: float, lost: float, share: float, noise: float
) -> RecipeOutcome:
    parts = []
    for number in range(len(DOMAIN_NAMES)):
        ends = {
            name: 5.0 if place > number else mean - lost * 0.75 + (place < number) * lost
            for place, name in enumerate(DOMAIN_NAMES)
        }
        parts.append(Part((DOMAIN_NAMES[number],), cosine(), ends, share if number else 0.0))
    made = outcome(seed, label, parts, noise=noise)
    return replace(made, fields={"later.replay": f"{100 * share:g}%"})


def _domains(world: World, seed: int) -> list[RecipeOutcome]:
    arms = [(label, share) for label in ("cosine", INFINITE[1]) for share in (0.0, 0.05)]
    found = [
        replace(
            _many(seed, f"{label}, replay {100 * share:g}%", mean, 0.5, share, world.noise),
            arm=label,
        )
        for (label, share), mean in zip(arms, world.domains, strict=True)
    ]
    mixed = Part(DOMAIN_NAMES, cosine(), dict.fromkeys(DOMAIN_NAMES, world.mixed))
    return [*found, outcome(seed, "union", [mixed], "union", noise=world.noise)]


def made_evidence(world: World = HOLDING, seeds: Sequence[int] = (1, 2, 3, 4)) -> Evidence:
    """Every experiment of the paper in this world, with as many seeds."""
    runs: dict[str, dict[int, list[RecipeOutcome]]] = {}
    for seed in seeds:
        pile = Part(("english",), cosine(), _pair(("english", "kernel-docs"), world.before))
        found = {
            "e0-pile": [outcome(seed, "pile", [pile])],
            **_shift_runs(world, "weak", seed),
            **_shift_runs(world, "strong", seed),
            "e7-scale": _scale(world, seed),
            "e8-same-data": _same_data(world, seed),
            "e9-infinite-single": _single(world, seed),
            "e10-infinite-stages": _stages(world, seed),
            "e11-domain-incremental": _domains(world, seed),
            "e12-replay-history": [
                _many(seed, f"replay {share}", 2.8, lost, share, world.noise)
                for share, lost in zip((0.0, 0.05), world.history, strict=True)
            ],
        }
        if seed == min(seeds):
            found["g1-gupta"] = _gupta(world, seed)
        for experiment, outcomes in found.items():
            runs.setdefault(experiment, {})[seed] = outcomes
    return Evidence(runs)
