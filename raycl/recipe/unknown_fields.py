"""What was probably meant by a field that a recipe does not have."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from raycl.recipe.schema import Recipe

_LONGEST_NEAR = 100
_APART = ("train", "merge", "merge_search", "vocabulary", "trackers", "notify")
"""Fields whose own fields are not what somebody means elsewhere."""
_CLOSE, _NEAR = 0.75, 0.5
"""Likeness above which a name is surely a slip of the pen, and above which it may be one."""
_ELSEWHERE = {
    "max_lr": "lr learning_rate peak_lr base_lr max_learning_rate",
    "min_lr": "min_learning_rate end_lr final_lr",
    "warmup": "warmup_steps warmup_ratio warmup_tokens num_warmup_steps warm_up",
    "schedule": "scheduler lr_scheduler lr_schedule lr_scheduler_type",
    "kind": "type",
    "steps": "max_steps num_steps total_steps iterations train_iters",
    "tokens": "max_tokens num_tokens total_tokens epochs num_epochs num_train_epochs",
    "text": "path paths file files data_files data source url urls",
    "pretrained": "model_name_or_path name path checkpoint base from hub id load",
    "text_field": "column field text_column text_key key",
    "mixture": "weights mix corpus corpora data dataset text",
    "corpora": "data dataset datasets corpus",
    "global_batch": "batch_size global_batch_size train_batch_size batch",
    "micro_batch": "micro_batch_size per_device_train_batch_size",
    "sequence_length": "seq_len seq_length block_size context_length max_length max_seq_length",
    "stages": "stage phases",
    "gradient_clip": "grad_clip max_grad_norm clip_grad",
    "weight_decay": "wd",
    "epsilon": "eps adam_epsilon",
    "beta1": "adam_beta1",
    "beta2": "adam_beta2",
    "precision": "dtype bf16 fp16",
    "validation": "val eval valid holdout held_out",
    "seed": "random_seed",
    "trackers": "tracker report_to logger loggers logging",
}
"""Names that other tools and people have for our fields."""


def advice(name: str, location: Sequence[str], wanted: Sequence[str] = ()) -> str:
    """A remedy for an unknown field at a location; `wanted` are fields that are missing there.

    It names fields of the recipe's models alone.
    """
    models = _models_at(location)
    known = _names(models)
    meant = (
        _called(name, wanted)
        or _like(name, wanted, _NEAR)
        or _called(name, known)
        or _like(name, known, _CLOSE)
        or _deeper(name, models)
        or (name in Recipe.model_fields and _at_the_top(name))
        or _like(name, known, _NEAR)
        or _at_the_top(name)
    )
    if meant:
        return f"Did you mean {meant}?"
    return f"Known fields: {', '.join(known)}" if known else ""


def field_of_stages(name: str) -> str | None:
    """The path below a stage of what is called so, such as `schedule.max_lr`; None if nowhere."""
    stages = _models_at(["stages", "0"])
    own = {known for known in _names(stages) if known == name}
    return next(iter(own), None) or next(_paths(name, stages, ()), None)


def _called(name: str, known: Sequence[str]) -> str | None:
    """The known field that others call so."""
    found = (field for field, names in _ELSEWHERE.items() if name.lower() in names.split())
    return next((repr(field) for field in found if field in known), None)


def nearest(name: str, known: Sequence[str], cutoff: float = _NEAR) -> str | None:
    """The known name that is most like this one; None where none is."""
    # Comparing takes time that grows with the square of the length.
    near = difflib.get_close_matches(name[:_LONGEST_NEAR], known, n=1, cutoff=cutoff)
    return near[0] if near else None


def _like(name: str, known: Sequence[str], cutoff: float) -> str | None:
    near = nearest(name, known, cutoff)
    return repr(near) if near else None


def _deeper(name: str, models: Sequence[type[BaseModel]]) -> str | None:
    """The path, inside one of the models, of a field that is called so."""
    path = next(_paths(name, models, ()), None)
    return _placed(path) if path and "." in path else None


def _at_the_top(name: str) -> str | None:
    """The whole path of a field that is called so, wherever it is in a recipe."""
    path = next(_paths(name, [Recipe], ()), None)
    return f"{_placed(path)}{'' if '.' in path else ' of the recipe'}" if path else None


def _placed(path: str) -> str:
    """A path from the top as a person says it: `'schedule.max_lr' of a stage`."""
    for part, word in (("stages.", "a stage"), ("corpora.", "a corpus")):
        if path.startswith(part):
            return f"{path.removeprefix(part)!r} of {word}"
    return repr(path)


def _paths(name: str, models: Sequence[type[BaseModel]], above: tuple[str, ...]) -> Iterator[str]:
    """Paths of fields that have this name or that others call so, those of the top first."""
    known = _names(models)
    if name in known or _called(name, known):
        own = name if name in known else str(_called(name, known)).strip("'")
        yield ".".join((*above, own))
    for field in known:
        inner = _inside(models, field)
        if inner and field not in above and field not in _APART:
            yield from _paths(name, inner, (*above, field))


def _names(models: Sequence[type[BaseModel]]) -> list[str]:
    fields = (pair for model in models for pair in model.model_fields.items())
    return sorted({field.alias or name for name, field in fields})


def _models_at(location: Sequence[str]) -> list[type[BaseModel]]:
    """The models whose fields may stand at a location of the recipe."""
    models: list[type[BaseModel]] = [Recipe]
    for part in location:
        if any(part in model.model_fields for model in models):
            models = _inside(models, part)
        else:  # not a field: the tag of a union, such as `constant`, or a key or an index
            models = [m for m in models if _kind(m) == part] or models
    return models


def _inside(models: Sequence[type[BaseModel]], field: str) -> list[type[BaseModel]]:
    found = [m.model_fields[field].annotation for m in models if field in m.model_fields]
    return [model for annotation in found for model in _models_in(annotation)]


def _kind(model: type[BaseModel]) -> Any:
    field = model.model_fields.get("kind")
    return field.default if field else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments = getattr(annotation, "__args__", ())
    return [model for argument in arguments for model in _models_in(argument)]
