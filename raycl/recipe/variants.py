"""One recipe file as many recipes: every point of its sweep, anneal branches, and baselines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal

from raycl.errors import InputError, shown, within
from raycl.plan.frozen import thawed
from raycl.plan.trained import Trains
from raycl.recipe.alone import alone
from raycl.recipe.baselines import Baseline, baseline
from raycl.recipe.checks import why_fixed
from raycl.recipe.ending import END
from raycl.recipe.load import parse_recipe, with_field
from raycl.recipe.proposals import Proposal
from raycl.recipe.schema import LATER, LONGEST_LABEL, Recipe, Stage
from raycl.recipe.schema.seeds import Seeds
from raycl.recipe.schema.stand_ins import KNOWS, stand_ins_text
from raycl.recipe.search import (
    CHANGES,
    LABEL,
    MOST_RECIPES,
    Point,
    Search,
    as_text,
    changes_text,
    grid_search,
    points_of,
)
from raycl.recipe.seed import check_seeds
from raycl.recipe.seeds import check_varies, numbered, seeded_label, seeds_of
from raycl.recipe.stage_changes import as_written, forms
from raycl.recipe.stand_ins import asks_for_start
from raycl.storage import layout
from raycl.units import Length


@dataclass(frozen=True)
class Branch:
    """An anneal off a stage's trunk: which stage, and where it leaves."""

    stage: str
    at: Length


@dataclass(frozen=True)
class Variant:
    """One recipe of a sweep."""

    label: str
    kind: Literal["sweep", "anneal", "alone"] | Baseline
    """`alone`: the recipe with one corpus of its last stage, for a merge search."""
    fields: Mapping[str, Any]
    """Every swept field and its value here; empty for a baseline."""
    recipe: Recipe
    branch: Branch | None = None
    """The anneal that ends the recipe: of a variant of kind `anneal`, or of a baseline like it."""
    trunk: str = ""
    """Label of the recipe that a variant of kind `anneal` is a branch of."""
    arm: str = ""
    """The `label` that the recipe's grid has in the file; empty where it has none."""
    proposals: tuple[int, ...] = ()
    """Numbers of the proposals that are this recipe; empty where only a grid has it."""
    setting: str = ""
    """The label of the same recipe with number 0 of the `seeds`; empty where there are none."""
    seed: int = 0
    """Which of the `seeds` it is trained with."""


def expand(
    data: Mapping[str, Any],
    where: str,
    search: Search = grid_search,
    proposals: Sequence[Proposal] = (),
) -> list[Variant]:
    """All recipes that a recipe's data describes, and those that were added to its sweep.

    Equal ones appear once. Raises InputError where a swept field or one of its values is not valid.
    """
    given = parse_recipe(data, where)
    seeds = seeds_of(given)
    data = {field: value for field, value in data.items() if field != "seeds"}
    base = given.model_copy(update={"seeds": None})
    written = (field for grid in base.sweep for field in grid if field != LABEL)
    swept = list(dict.fromkeys([*written, *(f for added in proposals for f in added.fields)]))
    variants: dict[_Identity, Variant] = {}
    parser = _PointParser(data, base)
    with within(where):
        for point in points_of(base, proposals, search):
            _check_label(point.label)
            trunk = _trunk(point, parser, swept)
            for variant in (trunk, *_branches(trunk)):
                known = variants.setdefault((variant.recipe, variant.branch), variant)
                if known is not variant:
                    both = (*known.proposals, *variant.proposals)
                    variants[variant.recipe, variant.branch] = replace(known, proposals=both)
            if len(variants) * seeds.count > MOST_RECIPES:
                problem = f"more than {MOST_RECIPES:,} recipes and anneal branches"
                raise InputError("sweep", problem, "Give fewer values, branches or seeds")
        found = list(variants.values())
        own = [variant.recipe for variant in found if variant.kind == "sweep"]
        check_seeds(own)
        check_varies(given, own)
        for kind in base.baselines:
            if kind == "previous" and asks_for_start(base):
                continue  # results show it by the losses before the first step
            label, recipe = baseline(kind, base)
            last = recipe.stages[-1]
            branch = Branch(last.name, END) if last.anneal else None
            found.append(Variant(label, kind, {}, recipe, branch))
        if base.merge_search is not None:
            found += [Variant(label, "alone", {}, recipe) for label, recipe in alone(base)]
        found = list(_with_seeds(found, seeds))
        _check_labels(found)
    return found


def _with_seeds(variants: Sequence[Variant], seeds: Seeds) -> Iterator[Variant]:
    """The variants, and after them those of every further seed."""
    if seeds.count == 1:
        yield from variants
        return
    for number in range(seeds.count):
        for variant in variants:
            label = seeded_label(variant.label, number)
            recipe = numbered(variant.recipe, seeds, number)
            trunk = seeded_label(variant.trunk, number) if variant.trunk else ""
            made = replace(variant, label=label, recipe=recipe, trunk=trunk)
            yield replace(made, setting=variant.label, seed=number)


_Identity = tuple[Recipe, Branch | None]


def _trunk(point: Point, parser: _PointParser, swept: Iterable[str]) -> Variant:
    """The recipe of a point. Raises InputError where its fields do not fit the recipe file."""
    added = point.proposal
    recipe = parser.recipe(point) if added is None else _proposed(point, added, parser)
    numbers = () if added is None else (added.number,)
    fields = {field: field_value(recipe, field) for field in swept}
    label = point.label or recipe.name
    return Variant(label, "sweep", fields, recipe, arm=point.arm, proposals=numbers)


def _proposed(point: Point, proposal: Proposal, parser: _PointParser) -> Recipe:
    """The recipe that was added to the sweep. Raises InputError."""
    place = layout.sweep_proposal(proposal.sweep, proposal.number)
    for field in proposal.fields:  # they may be written by hand, and grids are checked elsewhere
        if (fixed := why_fixed(parser.base, field)) is not None:
            problem = f"it sets {shown(field)}, which cannot be swept: {fixed[0]}"
            raise InputError(place, problem, Proposal.REMEDY)
    try:
        return parser.recipe(point)
    except InputError as error:
        problem = f"it does not fit the recipe: {error.where}: {error.problem}"
        remedy = "Give a changed recipe another `name`, or remove the file"
        raise InputError(place, problem, remedy) from error


class _PointParser:
    """Makes recipes of points, and validates only the stages and fields that are new in a point.

    A sweep changes little of a recipe, and validating costs most of what expanding it takes. So
    recipes also have all that they share as the same objects.
    """

    def __init__(self, data: Mapping[str, Any], base: Recipe) -> None:
        self._data, self.base = data, base
        self._stages: dict[Hashable, Stage] = {}
        """Valid stages by what is written of them."""
        self._remember(data.get("stages"), base)
        own = ("stages", "sweep", "search", "baselines")  # these are never simply the base's
        self._valid = {name: getattr(base, name) for name in Recipe.model_fields if name not in own}

    def recipe(self, point: Point) -> Recipe:
        """The recipe in which the point's fields have its values. Raises InputError."""
        changed: dict[str, Any] = {**self._data, "sweep": [], "search": None, "baselines": []}
        for field, value in point.fields.items():
            changed = with_field(changed, field, value, "sweep")
        for field, value in self._valid.items():
            # What was not replaced is still the very object that was validated with the base.
            if changed.get(field) is self._data.get(field):
                changed[field] = value
        written = changed["stages"]
        if isinstance(written, list):
            changed["stages"] = [self._stages.get(_as_written(stage), stage) for stage in written]
        recipe = parse_recipe(changed, f"sweep {point.label or 'as written'}")
        self._remember(written, recipe)
        return recipe

    def _remember(self, written: Any, recipe: Recipe) -> None:
        if isinstance(written, list):
            self._stages |= zip(map(_as_written, written), recipe.stages, strict=True)


def _as_written(value: Any) -> Hashable:
    """A key for data from YAML. In it 1, 1.0 and True differ, since one may be valid alone."""
    if isinstance(value, Mapping):
        return dict, tuple((name, _as_written(inner)) for name, inner in value.items())
    if isinstance(value, list | tuple | set):
        return type(value), tuple(map(_as_written, value))
    return type(value), value


def _branches(trunk: Variant) -> Iterator[Variant]:
    """A variant for every anneal off the stages of a recipe: the trunk up to there."""
    stages = trunk.recipe.stages
    for number, stage in enumerate(stages):
        for at in stage.anneal.at if stage.anneal else ():
            recipe = trunk.recipe.model_copy(update={"stages": stages[: number + 1]})
            label = f"{trunk.label}, anneal {stage.name} at {at}"
            branch = Branch(stage.name, at)
            anneal = replace(trunk, label=label, kind="anneal", recipe=recipe, branch=branch)
            yield replace(anneal, trunk=trunk.label)


def field_value(recipe: Recipe, field: str) -> Any:
    """A field's value as plain data: numbers as floats, a schedule as text."""
    if field == KNOWS:
        return stand_ins_text(recipe.model.knows)
    value: Any = recipe
    parts = field.split(".")
    stage = next((s for s in recipe.stages if s.name == parts[0]), None)
    if parts[0] == LATER and len(recipe.stages) > 1:
        stage = recipe.stages[-1]
    if stage is not None:
        value, parts = stage, parts[1:]
        if parts == [CHANGES]:
            return changes_text([as_written(change) for change in stage.changes]) or None
        value = forms(stage)[-1]  # where it changes inside the stage, the value at its end
    for part in parts:
        inside = isinstance(value, Mapping)
        value = thawed(value.get(part)) if inside else getattr(value, part, None)
    if isinstance(value, Fraction):
        return float(value)
    if isinstance(value, Trains):
        return value.text
    return value if value is None or isinstance(value, int | float | str) else as_text(_dump(value))


def _dump(value: Any) -> Any:
    """A schedule as its kind and what differs from that kind's defaults."""
    if not hasattr(value, "model_dump"):
        return value
    kind = {"kind": value.kind} if hasattr(value, "kind") else {}
    return {**kind, **value.model_dump(exclude_defaults=True)}


def _check_label(label: str) -> None:
    """Raise InputError for a label that no table can show."""
    if len(label) > LONGEST_LABEL:
        problem = f"a recipe would be called {shown(label)}, by {len(label):,} characters"
        raise InputError("sweep", problem, "Sweep short values, or one field in each grid")


def _check_labels(variants: list[Variant]) -> None:
    """Raise InputError where two recipes have one label: results are found by it."""
    labels = Counter(variant.label for variant in variants)
    twice = sorted(label for label, number in labels.items() if number > 1)
    if twice:
        raise InputError(
            "sweep",
            f"two recipes are called {shown(twice[0])}",
            "Merge the grids, or name one more field in one of them",
        )
