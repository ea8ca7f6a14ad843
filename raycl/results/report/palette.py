"""How a recipe looks wherever it appears: one colour, one marker, one line style; and numbers.

Replay shares run from green to violet (more replay is darker), recipes that only change the
learning rate are orange, baselines are grey and dashed. The two families differ in lightness and
along the blue-yellow axis, which colour-blind readers keep. An annealed branch has the colour of
its trunk, with short dashes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.colors import LinearSegmentedColormap, to_hex

from raycl.results.outcome import RecipeOutcome, StageFact

LOSS = "validation loss (nats/token)"

# Light and dark value of each tone; figures are drawn with the light one, the page swaps them.
INK = ("#22272e", "#e6e8eb")
QUIET = ("#6a737d", "#9aa4af")
GRID = ("#e4e7ea", "#30363d")
PAPER = ("#fffffe", "#171b20")
_ORANGES = LinearSegmentedColormap.from_list("oranges", ["#f2a33c", "#d9541e", "#7f2704"])
_ORANGES_DARK = LinearSegmentedColormap.from_list("oranges", ["#ffd8a0", "#f79a4e", "#e0561f"])
_MARKERS = ("o", "s", "^", "v", "P", "X")
_BASELINES: dict[str, tuple[str, object]] = {  # kind -> marker and line style
    "previous": ("h", (0, (7, 2, 1, 2))),
    "union": ("D", (0, (4, 2))),
    "scratch": ("X", (0, (1, 1.5))),
}
_ANNEALED: tuple[str, object] = ("*", (0, (2.2, 0.9)))
_DASHES: tuple[object, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))


@dataclass(frozen=True)
class Look:
    """Colour on light paper, colour on dark paper, marker, line style."""

    colour: str
    dark: str
    marker: str
    line: object


def last_stage(outcome: RecipeOutcome) -> StageFact:
    """The stage that a sweep is about; an empty one where the recipe has none."""
    return outcome.stages[-1] if outcome.stages else StageFact("", 0, 0, 0, ())


def swept(outcomes: Sequence[RecipeOutcome]) -> list[RecipeOutcome]:
    """The recipes of the sweep itself: neither baselines nor annealed branches."""
    return [outcome for outcome in outcomes if outcome.kind == "sweep"]


def trunk(branch: RecipeOutcome, outcomes: Sequence[RecipeOutcome]) -> RecipeOutcome | None:
    """The recipe that an annealed branch was taken from; None where it is not among them."""
    if branch.kind != "anneal":
        return None
    trunks = [o for o in swept(outcomes) if branch.label.startswith(f"{o.label}, anneal ")]
    return max(trunks, key=lambda outcome: len(outcome.label), default=None)


def replay_groups(outcomes: Sequence[RecipeOutcome]) -> list[list[RecipeOutcome]]:
    """Swept recipes that differ in replay only, by rising share; the largest group first."""
    groups: dict[object, list[RecipeOutcome]] = {}
    for outcome in swept(outcomes):
        other = {k: str(v) for k, v in outcome.fields.items() if not k.endswith("replay")}
        key = (last_stage(outcome).max_lr, tuple(sorted(other.items())))
        groups.setdefault(key, []).append(outcome)
    by_size = sorted(groups.values(), key=lambda group: -len(group))
    return [sorted(group, key=lambda o: last_stage(o).replay_share) for group in by_size]


def rate_groups(outcomes: Sequence[RecipeOutcome]) -> list[list[RecipeOutcome]]:
    """Swept recipes that differ in their learning rate only, by rising max; two rates or more.

    Those with another kind of schedule are no point on the same line.
    """
    about_rate = ("replay", "max_lr", "min_lr", "schedule", "kind")
    groups: dict[object, list[RecipeOutcome]] = {}
    for outcome in swept(outcomes):
        if not last_stage(outcome).max_lr:
            continue
        other = {k: str(v) for k, v in outcome.fields.items() if not k.endswith(about_rate)}
        last = last_stage(outcome)
        key = (last.replay_share, last.schedule, tuple(sorted(other.items())))
        groups.setdefault(key, []).append(outcome)
    risen = [sorted(group, key=lambda o: last_stage(o).max_lr or 0.0) for group in groups.values()]
    several = [g for g in risen if last_stage(g[0]).max_lr != last_stage(g[-1]).max_lr]
    return sorted(several, key=lambda group: -len(group))


def _along(place: int, count: int) -> float:
    return place / (count - 1) if count > 1 else 0.5


def _replay_look(place: float, group: int) -> Look:
    colours = matplotlib.colormaps["viridis"]
    return Look(
        to_hex(colours(0.74 - 0.70 * place)),
        to_hex(colours(0.95 - 0.55 * place)),
        _MARKERS[group % len(_MARKERS)],
        _DASHES[group % len(_DASHES)],
    )


def looks(outcomes: Sequence[RecipeOutcome]) -> dict[str, Look]:
    """The look of every recipe, by label."""
    groups = replay_groups(outcomes)
    lines = [group for group in groups if len(group) > 1]
    shares = sorted({last_stage(o).replay_share for group in lines for o in group})
    found = {
        outcome.label: _replay_look(
            _along(shares.index(last_stage(outcome).replay_share), len(shares)), number
        )
        for number, group in enumerate(lines)
        for outcome in group
    }
    branches = [(o, trunk(o, outcomes)) for o in outcomes if o.kind == "anneal"]
    singles = [group[0] for group in groups if len(group) == 1]
    singles += [branch for branch, grown_from in branches if grown_from is None]
    singles.sort(key=lambda outcome: last_stage(outcome).max_lr or 0.0)
    for place, outcome in enumerate(singles):
        along = _along(place, len(singles))
        light, dark = to_hex(_ORANGES(along)), to_hex(_ORANGES_DARK(along))
        found[outcome.label] = Look(light, dark, "s", "-")
    for branch, grown_from in branches:
        tone = found[grown_from.label if grown_from else branch.label]
        found[branch.label] = Look(tone.colour, tone.dark, *_ANNEALED)
    for outcome in outcomes:
        if outcome.is_baseline:
            found[outcome.label] = Look(*QUIET, *_BASELINES[outcome.kind])
    return found


def loss_text(value: float, signed: bool = False) -> str:
    """A loss as the paper prints it: 2.17, or +1.39 for a difference; – where it is missing."""
    if math.isnan(value):
        return "–"
    if round(value, 2) == 0:  # neither +0.00 nor -0.00
        return "0.00"
    return f"{value:+.2f}".replace("-", "−") if signed else f"{value:.2f}"


def share_text(share: float) -> str:
    """0.05 as 5 %; – where it is missing."""
    if math.isnan(share):
        return "–"
    return f"{100 * share:.2g} %" if share < 0.01 else f"{100 * share:.3g} %"


def tokens_text(tokens: float) -> str:
    """1 500 000 000 as 1.5B."""
    for size, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K")):
        if tokens >= size:
            return f"{tokens / size:.3g}{letter}"
    return f"{tokens:.0f}"


def rate_text(rate: float | None) -> str:
    """A learning rate as people write it: 3e-4, 1.5e-3."""
    if not rate:
        return "–"
    mantissa, exponent = f"{rate:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
