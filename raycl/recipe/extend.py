"""The recipe of the next stage, from a recipe that is finished and from what is new in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from raycl.errors import InputError, within
from raycl.recipe.load import parse_recipe
from raycl.recipe.search import LABEL

_MADE = ("baselines", "merge", "merge_search", "search")
_OWN = ("name", "corpora", "stages", "sweep", *_MADE, "validation", "execution")
"""What the next recipe may say. Every other field belongs to the past, and would change it."""
_INHERITED = ("replay", "replay_from", "trains", "optimizer", "at_end", "workers")
"""Fields of the last stage that a new stage has where it says nothing."""


def extended(before: Mapping[str, Any], new: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The data of a recipe whose stages are those of `before`, followed by those of `new`.

    `before` is one finished recipe, without a sweep; `where` names the file of `new` in errors.
    Raises InputError where `new` changes the past, or is not a valid recipe with it.
    """
    with within(where):
        _check_fields(new)
        stages = _new_stages(before, new)
        _check_sweep(new.get("sweep"), [stage["name"] for stage in stages])
        _check_precision(before, new)
        corpora = {**before["corpora"], **_new_corpora(before, new)}
        data = {**before, "name": _name(before, new, stages), "corpora": corpora}
        data["stages"] = [*_without_branches(before), *stages]
        for field in ("validation", "execution"):
            if field in new:
                old, own = before.get(field) or {}, new[field]
                data[field] = {**old, **own} if isinstance(own, Mapping) else own
        for field in _MADE:  # those of the past are made already
            data.pop(field, None)
        data |= {field: new[field] for field in (*_MADE, "sweep") if field in new}
    parse_recipe(data, where)
    return data


def _check_fields(new: Mapping[str, Any]) -> None:
    for field in new:
        if field not in _OWN:
            raise InputError(
                str(field),
                "it belongs to every stage, those that are trained included",
                f"Leave it out; give {', '.join(_OWN)}",
            )
    if not isinstance(new.get("stages"), list) or not new["stages"]:
        raise InputError("stages", "no new stage", "Give one or more, each with a name")
    for stage in new["stages"]:
        if not isinstance(stage, Mapping) or not isinstance(stage.get("name"), str):
            raise InputError("stages", "a stage without a name", "Give each a name")


def _check_sweep(sweep: Any, names: Sequence[str]) -> None:
    """Raise InputError where the sweep varies more than the new stages.

    Whatever else it varies would train the finished stages again, with another value.
    """
    for grid in sweep if isinstance(sweep, list) else [sweep]:
        for field in grid if isinstance(grid, Mapping) else ():
            if field != LABEL and str(field).partition(".")[0] not in names:
                raise InputError(
                    f"sweep.{field}",
                    "it is not of a new stage, and the finished stages would be trained again",
                    f"Vary fields of {', '.join(names)}, or sweep the whole recipe by itself",
                )


def _check_precision(before: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Raise InputError where the stages that are trained had another precision."""
    old, wanted = (data.get("execution") for data in (before, new))
    if not isinstance(wanted, Mapping) or "precision" not in wanted:
        return
    trained = old.get("precision") if isinstance(old, Mapping) else None
    if wanted["precision"] != trained:
        problem = f"the finished stages were trained in {trained or 'auto'}"
        raise InputError("execution.precision", problem, "Leave it out: it would train them again")


def _name(before: Mapping[str, Any], new: Mapping[str, Any], stages: list[dict[str, Any]]) -> str:
    name = str(new.get("name", f"{before['name']}-{stages[0]['name']}"))
    if name == before["name"]:
        problem = f"{name!r} is the name of the finished sweep, whose results it would replace"
        raise InputError("name", problem, "Give another name")
    return name


def _new_corpora(before: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    corpora = new.get("corpora") or {}
    if not isinstance(corpora, Mapping):
        raise InputError("corpora", "not a mapping", "Give each corpus by its name")
    for name, corpus in corpora.items():
        if name in before["corpora"] and corpus != before["corpora"][name]:
            problem = "the finished recipe has a corpus of this name with other text or settings"
            raise InputError(f"corpora.{name}", problem, "Give the new text another name")
    return dict(corpora)


def _new_stages(before: Mapping[str, Any], new: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The new stages; what they do not say is as in the last stage before them."""
    last = dict(before["stages"][-1])
    names = {stage["name"] for stage in before["stages"]}
    made = []
    for stage in new["stages"]:
        if stage["name"] in names:
            problem = "the finished recipe has a stage of this name"
            raise InputError(f"stages.{stage['name']}", problem, "Give it another name")
        last = {"name": stage["name"], **_defaults(last, stage), **stage}
        made.append(last)
    return made


def _defaults(last: Mapping[str, Any], stage: Mapping[str, Any]) -> dict[str, Any]:
    found = {field: last[field] for field in _INHERITED if field in last}
    if "max_epochs" in last and not isinstance(last["max_epochs"], Mapping):
        found["max_epochs"] = last["max_epochs"]  # else it names corpora of the last stage
    if "steps" not in stage and "tokens" not in stage:
        found |= {field: last[field] for field in ("steps", "tokens") if field in last}
    if "schedule" in stage:
        return found
    if is_trunk(last):
        # The trunk's rate goes on, and with it AdamW's moments.
        return {**found, "schedule": "continue", "optimizer": "carry"}
    return {**found, "schedule": last["schedule"]}


def is_trunk(stage: Mapping[str, Any]) -> bool:
    """Whether a stage ends on the plateau of an infinite schedule, from which stages continue."""
    schedule = stage["schedule"]
    if isinstance(schedule, Mapping):
        return schedule.get("kind") == "infinite" and not schedule.get("anneal")
    return bool(schedule == "continue")


def _without_branches(before: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The trained stages: the next one goes on from the trunk, and no branch is trained again."""
    return [
        {field: value for field, value in stage.items() if field != "anneal"}
        for stage in before["stages"]
    ]
