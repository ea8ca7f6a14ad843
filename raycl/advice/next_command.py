"""The next command: what would make the answer surer, or else what takes the model out."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from raycl.advice.advice import RecipeSource
from raycl.advice.choice import Choice
from raycl.advice.rules.edges import Edge, edges
from raycl.advice.setting import MAX_LR, REPLAY
from raycl.advice.words import feature_text
from raycl.errors import InputError
from raycl.recipe.definition import definition_of
from raycl.recipe.load import parse_recipe, with_field
from raycl.recipe.search import Point, points_of
from raycl.results.metrics import own_sides
from raycl.results.outcome import STOPPED, RecipeOutcome
from raycl.results.report.groups import last_stage
from raycl.results.table import file_name

_SEEDS = 3
_SHARES = ("0%", "1%", "5%", "25%")
"""The shares that `raycl init` writes for a shift of unknown strength: the paper's Table 2."""


def next_command(
    choice: Choice | None, outcomes: Sequence[RecipeOutcome], source: RecipeSource | None
) -> str:
    """A line for the shell that `raycl` takes; empty where the recipe is not known.

    Recipes that are not finished come first, then a grid that ends at its best value, a replay that
    was not swept, more seeds where noise hides the difference, and at last the model.
    """
    if source is None:
        return ""
    missing = [o for o in outcomes if o.status not in ("finished", STOPPED)]
    if choice is None or missing:
        return _sweep(source)
    for changes in _changes(choice, source.data):
        if _is_valid(source, changes):
            return _sweep(source, changes)
    label = choice.chosen.example.label
    folder = f"models/{file_name(choice.chosen.name)}"
    words = ["raycl", "export", label, folder, "--storage", source.storage, "--sweep", source.sweep]
    return shlex.join(words)


def _changes(choice: Choice, data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Fields of the recipe and their new values, the most useful change first."""
    if data.get("search") is None:
        points = list(points_of(parse_recipe(data, "advice"), ()))
        for edge in edges(choice):
            if edge.is_clear:
                yield {"sweep": [*_grids(data), extended_grid(edge, points)]}
        shares = {setting.features[REPLAY] for setting in choice.ranked}
        if own_sides(choice.chosen.example).old and len(shares) == 1:
            field = f"{last_stage(choice.chosen.example).name}.replay"
            yield {"sweep": [*_grids(data), {field: _shares(choice.chosen.replay)}]}
    field = "seeds.count" if isinstance(data.get("seeds"), Mapping) else "seeds"
    decision = choice.decision
    if len(choice.within) > 1 and choice.seeds < 2:
        yield {field: _SEEDS}
    elif decision is not None and decision.more:
        yield {field: choice.seeds + decision.more}


def _grids(data: Mapping[str, Any]) -> list[Any]:
    sweep = data.get("sweep") or []
    return [sweep] if isinstance(sweep, Mapping) else list(sweep)


def _shares(tried: float) -> list[str]:
    """Shares to sweep, with the one that was tried: a recipe without it would leave the sweep."""
    own = f"{100 * tried:.6g}%"
    shares = [*_SHARES, *([] if own in _SHARES else [own])]
    return sorted(shares, key=lambda share: float(share[:-1]))


def extended_grid(edge: Edge, points: Iterable[Point]) -> dict[str, list[Any]]:
    """A grid of one recipe: the point of the edge's setting, with the value beyond it.

    `points` are those of the recipe's grids. Only what a point sets is written again, as it is
    there: the other swept fields have their values from the recipe, or from what holds them.
    """
    example = edge.setting.example
    own = next((p.fields for p in points if p.label == edge.setting.name), example.fields)
    value: Any = feature_text(edge.feature, edge.beyond).replace(" ", "")
    if edge.feature not in (REPLAY, MAX_LR):
        is_whole = isinstance(example.fields.get(edge.field), int)
        value = round(edge.beyond) if is_whole else edge.beyond
    elif edge.feature == MAX_LR:
        value = yaml.safe_load(value)  # as if it stood in the recipe: 2.7e-2 is a number there
    kept = {name: [written] for name, written in own.items() if name != edge.field}
    return {**kept, edge.field: [value]}


def _is_valid(source: RecipeSource, changes: Mapping[str, Any]) -> bool:
    """Whether the recipe with these changes is one."""
    data: Mapping[str, Any] = source.data
    try:
        for field, value in changes.items():
            data = with_field(data, field, _read_again(value), "advice")
        definition_of(data, "advice")
    except InputError:
        return False
    return True


def _read_again(value: Any) -> Any:
    return yaml.safe_load(flow_text(value))


def _sweep(source: RecipeSource, changes: Mapping[str, Any] | None = None) -> str:
    words = ["raycl", "sweep", source.file, "--storage", source.storage]
    for field, value in (changes or {}).items():
        words += ["--set", f"{field}={flow_text(value)}"]
    return shlex.join(words)


def flow_text(value: Any) -> str:
    """A value as YAML on one line."""
    plain = _plain(value)
    text = yaml.safe_dump(plain, default_flow_style=True, width=10**9, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _plain(value: Any) -> Any:
    """Lists, mappings, text and numbers as the standard types that YAML writes without tags."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
