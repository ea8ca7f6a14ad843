"""A recipe of one of several seeds as it would be written in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raycl.recipe.load import parse_recipe
from raycl.recipe.schema.mixture import is_changing
from raycl.recipe.schema.seeds import Seeds
from raycl.recipe.schema.short_forms import spelled_out
from raycl.recipe.seeds import corpus_name, numbered

_NAMED = ("mixture", "replay", "loss_weight", "max_epochs")


def numbered_data(data: Mapping[str, Any], seeds: Seeds, number: int, where: str) -> dict[str, Any]:
    """The recipe's data with the draws of one of its seeds, and without `seeds`.

    Its corpora have the names under which the storage holds them for this seed. Raises InputError.
    """
    alone = {field: value for field, value in data.items() if field != "seeds"}
    if not number:
        return alone
    own = numbered(parse_recipe(alone, where), seeds, number)
    alone["seed"] = own.seed
    if not seeds.varies_corpora:
        return alone
    written = spelled_out(alone)
    names = {name: corpus_name(name, seeds, number) for name in written["corpora"]}
    corpora = {names[name]: dict(corpus) for name, corpus in written["corpora"].items()}
    for name, corpus in corpora.items():
        split = own.corpora[name].held_out_seed
        corpus["seed"] = own.corpora[name].seed
        corpus |= {} if split is None else {"held_out_seed": split}
    stages = [_stage(stage, names) for stage in written["stages"]]
    return {**written, "corpora": corpora, "stages": stages, "model": _model(written, names)}


def _stage(stage: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    mixture = stage.get("mixture") or {stage["name"]: 1}
    found = {**stage, **_renamed({**stage, "mixture": mixture}, names)}
    if stage.get("changes"):
        found["changes"] = [{**c, **_renamed(c, names)} for c in stage["changes"]]
    return found


def _renamed(fields: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {field: _with_names(fields[field], names) for field in _NAMED if field in fields}


def _with_names(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return names.get(value, value)  # a mixture of one corpus; a share is no corpus' name
    if is_changing(value):
        return {**value, **{end: _with_names(value[end], names) for end in ("from", "to")}}
    if isinstance(value, Mapping):
        return {names.get(name, name): inner for name, inner in value.items()}
    return [names.get(name, name) for name in value] if isinstance(value, list) else value


def _model(written: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    model = dict(written["model"])
    if "knows" in model:
        model["knows"] = _with_names(model["knows"], names)
    vocabulary = model.get("vocabulary")
    if isinstance(vocabulary, Mapping) and "from" in vocabulary:
        model["vocabulary"] = {**vocabulary, "from": _with_names(vocabulary["from"], names)}
    return model
