"""One recipe of a sweep as a recipe file of its own, in the words in which it was written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from raycl.plan.execution import Device, precision_on
from raycl.recipe.definition import Definition
from raycl.recipe.load import parse_recipe, with_field
from raycl.recipe.new_tokens import new_tokens
from raycl.recipe.search import points_of
from raycl.recipe.seeds import numbered, seeds_of
from raycl.recipe.seeds_written import numbered_data
from raycl.recipe.variants import Variant


def written_recipe(definition: Definition, variant: Variant, device: Device) -> dict[str, Any]:
    """The data of a recipe whose chain is that of `variant`, without a sweep and merges.

    A baseline is made of the recipe as it is written, so that its file keeps it as its one
    baseline; one with a corpus alone is made of it too, and its file keeps the merge search.
    `precision: auto` becomes what it meant on `device`.
    """
    if variant.kind in ("sweep", "anneal"):
        data = _point(definition, variant)
        data = {**data, "stages": _stages(data["stages"], variant)}
        data.pop("baselines", None)
    elif variant.kind == "alone":  # it is one of those that the merge search makes
        data = {**definition.data, "baselines": []}
    else:
        data = {**definition.data, "baselines": [variant.kind]}
    if variant.kind != "alone":
        data.pop("merge_search", None)
    for field in ("sweep", "search", "merge"):  # a merge is another model, beside this recipe's end
        data.pop(field, None)
    written = data.get("execution")
    execution = dict(written) if isinstance(written, Mapping) else {}
    execution["precision"] = precision_on(variant.recipe.execution.precision, device)
    whole = {**data, "model": _model(data["model"], variant), "execution": execution}
    return numbered_data(whole, seeds_of(definition.recipe), variant.seed, definition.where)


def _model(model: Any, variant: Variant) -> Any:
    """The model, with the corpora that its new tokens are from: a later recipe may have more."""
    tokens = new_tokens(variant.recipe)
    if tokens is None or not tokens.corpora:
        return model
    return {**model, "vocabulary": {**model["vocabulary"], "from": list(tokens.corpora)}}


def yaml_text(data: Mapping[str, Any]) -> str:
    """A recipe's data as YAML, in which short mappings stand on one line."""
    return yaml.dump(
        dict(data),
        Dumper=_WithoutAliases,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )


class _WithoutAliases(yaml.SafeDumper):
    """Writes a value that stands in two places twice: people edit one of them."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (the signature is PyYAML's)
        """Whether `data` gets no anchor."""
        return True


def _point(definition: Definition, variant: Variant) -> dict[str, Any]:
    """The data in which every swept field has its value of this recipe."""
    plain = {**definition.data, "sweep": [], "search": None, "baselines": []}
    for point in points_of(definition.recipe, definition.proposals):
        data: dict[str, Any] = plain
        for field, value in point.fields.items():
            data = with_field(data, field, value, "sweep")
        stages = parse_recipe(data, definition.where).stages[: len(variant.recipe.stages)]
        found = parse_recipe(data, definition.where).model_copy(update={"stages": stages})
        if numbered(found, seeds_of(definition.recipe), variant.seed) == variant.recipe:
            return data
    raise LookupError(f"no point of the sweep is the recipe {variant.label!r}")


def _stages(stages: list[dict[str, Any]], variant: Variant) -> list[dict[str, Any]]:
    """The stages up to the recipe's end, with no branch but the one that the recipe is."""
    own = [dict(stage) for stage in stages[: len(variant.recipe.stages)]]
    for stage in own:
        anneal = stage.pop("anneal", None)
        if variant.branch is not None and stage["name"] == variant.branch.stage:
            stage["anneal"] = {**anneal, "at": [str(variant.branch.at)]}
    return own
