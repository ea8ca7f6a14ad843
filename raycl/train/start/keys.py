"""Compares the tensors of a checkpoint with the model that they are loaded into.

Loading draws missing weights at random and leaves out those that it has no place for, with a
warning alone. transformers itself is asked what it would do, on the meta device, where no tensor
has bytes: it knows tied heads, old names, and experts that are stored one by one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers

from raycl.errors import InputError
from raycl.models.start import TensorHeader
from raycl.train.model.quiet import silent
from raycl.train.start.left_over import LeftOver, left_over, shown_names

_PREFIXES = {
    "_orig_mod.": "torch.compile",
    "module.": "DataParallel",
    "_fsdp_wrapped_module.": "FSDP",
}
UNTIE = "Set tie_word_embeddings to false in config.json, or leave the head out of the weights"


def check_keys(
    model: transformers.PreTrainedModel, tensors: Mapping[str, TensorHeader], where: str
) -> LeftOver:
    """The tensors that are not loaded, none of which is a weight of the language model.

    `model` is on the meta device. Raises InputError, with `where`, where loading would not give
    every weight of the model its stored value, or would leave out a weight of the language model.
    """
    _check_prefixes(tensors, where)
    report = _loading(model, tensors)
    missing = sorted(report["missing_keys"])
    left = left_over(model, tensors, report["unexpected_keys"])
    unexpected = [*left.inside, *left.beside]
    shapes = sorted(report["mismatched_keys"])
    kind = model.config.model_type
    problems = [*map(str, report.get("error_msgs") or ()), *_conversions(report)]
    if missing and len(unexpected) > len(tensors) // 2:
        raise InputError(
            where,
            f"these are not the weights of a {kind} model: {shown_names(missing)} missing, and "
            f"{shown_names(unexpected)} not of it",
            "Give config.json and weights of one model",
        )
    if missing:
        raise InputError(
            where, f"weights are missing: {shown_names(missing)}", _remedy(missing, model)
        )
    if shapes:
        name, found, wanted = shapes[0]
        raise InputError(
            where,
            f"{name} is {list(found)}, but {list(wanted)} by config.json ({len(shapes)} differ)",
            "Give config.json and weights of one model",
        )
    if left.inside:
        raise InputError(
            where,
            f"the model of config.json has no place for {shown_names(left.inside)}",
            "Give the config.json that belongs to these weights, or save the model alone",
        )
    _check_tied(model, tensors, where)
    if problems:
        raise InputError(where, problems[0], "Save the model with a current transformers")
    return left


def _check_prefixes(tensors: Mapping[str, TensorHeader], where: str) -> None:
    for prefix, origin in _PREFIXES.items():
        marked = [name for name in tensors if prefix in name[: 2 * len(prefix)]]
        if len(marked) * 2 > len(tensors):
            raise InputError(
                where,
                f"its tensors are named {marked[0]!r}: {prefix!r} is left of {origin}",
                "Save the model that was wrapped (`model._orig_mod` or `model.module`)",
            )


def missing_keys(
    model: transformers.PreTrainedModel, tensors: Mapping[str, TensorHeader]
) -> list[str]:
    """The weights of the model that loading these tensors would draw at random."""
    return sorted(_loading(model, tensors)["missing_keys"])


def _loading(
    model: transformers.PreTrainedModel, tensors: Mapping[str, TensorHeader]
) -> Mapping[str, Any]:
    """What loading misses, leaves out and finds in another shape."""
    empty = {name: torch.empty(t.shape, device="meta") for name, t in tensors.items()}
    with silent():
        loaded: Any = type(model).from_pretrained(
            None,
            config=copy.deepcopy(model.config),
            state_dict=empty,
            device_map={"": "meta"},
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    report: Mapping[str, Any] = loaded[1]
    return report


def _conversions(report: Mapping[str, Any]) -> list[str]:
    errors = report.get("conversion_errors") or {}
    return [f"{name}: {str(reason).strip().splitlines()[-1]}" for name, reason in errors.items()]


def _check_tied(
    model: transformers.PreTrainedModel, tensors: Mapping[str, TensorHeader], where: str
) -> None:
    """Raise InputError where a head that config.json ties to the embedding has values of its own.

    transformers would not tie it and only warn; a state of it would be loaded into a tied model.
    """
    for one, other in model.get_expanded_tied_weights_keys(all_submodels=True).items():
        if one in tensors and other in tensors and tensors[one].sha256 != tensors[other].sha256:
            raise InputError(where, f"{one} and {other} differ, but config.json ties them", UNTIE)


def _remedy(missing: Sequence[str], model: transformers.PreTrainedModel) -> str:
    head = model.get_output_embeddings()
    own = {f"{name}.weight" for name, module in model.named_modules() if module is head}
    if set(missing) <= own:
        return (
            "The base model was saved without its head: save the causal language model, or set "
            "tie_word_embeddings in config.json if its head is tied"
        )
    return "Give config.json and weights of one model, complete"
