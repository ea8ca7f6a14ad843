"""Curves of the three-stage recipes, and of the branches that anneal them from where they leave."""

from __future__ import annotations

from collections.abc import Callable

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.evidence import Pick
from raycl.reproduction.evidence.experiment_names import COSINE, INFINITE, STAGES
from raycl.reproduction.evidence.picks import branch, branches_of, cosine_of, in_arm
from raycl.reproduction.figures.bands import Band, Picked, Stroke
from raycl.reproduction.figures.colours import ARM_COLOURS, ARM_LINES, BRANCH_DASHES

ToBand = Callable[[Picked], Band | None]


def with_branches(evidence: Evidence, to_band: ToBand) -> list[Stroke]:
    """Each trunk, named, followed by its branches without names."""
    strokes = []
    for arm in (COSINE, *INFINITE):
        trunk = to_band(evidence.picked(STAGES, in_arm(arm)))
        if trunk is None:
            continue
        strokes.append(Stroke(arm, trunk, ARM_COLOURS[arm], ARM_LINES[arm]))
        for pick in _branch_picks(evidence, arm):
            band = to_band(evidence.picked(STAGES, pick))
            left = _from_departure(band, trunk) if band is not None else None
            if left is not None:
                strokes.append(Stroke("", left, ARM_COLOURS[arm], BRANCH_DASHES[arm]))
    return strokes


def _branch_picks(evidence: Evidence, trunk: str) -> list[Pick]:
    """One pick for each place at which a branch leaves the trunk in any seed."""
    places = [
        fact
        for seed in evidence.seeds(STAGES)
        for fact in branches_of(evidence.outcomes(STAGES, seed), trunk)
    ]
    return [branch(fact) for fact in dict.fromkeys(places)]


def _from_departure(branch: Band, trunk: Band) -> Band | None:
    """The branch from the last point that it shares with its trunk; None if it never leaves."""
    shared = dict(zip(trunk.tokens, trunk.mean, strict=True))
    apart = [
        number
        for number, (x, y) in enumerate(zip(branch.tokens, branch.mean, strict=True))
        if shared.get(x) != y
    ]
    return branch.after(branch.tokens[max(apart[0] - 1, 0)]) if apart else None


def hand_offs(evidence: Evidence, experiment: str) -> list[float]:
    """Tokens at which the stages after the first begin; empty where nothing was run."""
    found = evidence.picked(experiment, in_arm(COSINE)) or evidence.picked(experiment, cosine_of(0))
    first = next(iter(found.values()), None)
    if first is None:
        return []
    return [float(stage.first_step * first.tokens_per_step) for stage in first.stages[1:]]
