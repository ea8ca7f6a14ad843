"""Adapters of low rank (LoRA) beside the matrices of a model, by the library peft.

peft puts a layer of its own in the place of each matrix and the matrix inside. In states, and
where weights are first filled, a model has its own names: `without_adapters` puts the matrices back
into their places for a while.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import transformers
from torch import nn
from transformers.pytorch_utils import Conv1D

from raycl.errors import InputError, shown
from raycl.libraries import how_to_install
from raycl.plan.trained import ALL_LINEAR, Lora
from raycl.plan.trained_names import nearest
from raycl.train.model.language_model import LanguageModel

PARTS = ("lora_A", "lora_B")
"""A [rank, in] and B [out, rank]."""
_ADAPTER = "default"
_INNER = ".base_layer."


def add_adapters(model: LanguageModel, lora: Lora) -> None:
    """Put an adapter beside each target, in place; all other weights are frozen.

    The model has no bytes (the meta device), and neither have its adapters. Raises InputError as
    `targets`, and where peft is not installed.
    """
    peft = _peft()
    names = targets(model.model, lora)
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.scale * lora.rank,
        target_modules=names,
        lora_dropout=0.0,
        fan_in_fan_out=isinstance(model.model.get_submodule(names[0]), Conv1D),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about Conv1D, which peft sets right by itself
        peft.inject_adapter_in_model(config, model.model, _ADAPTER, low_cpu_mem_usage=True)
    found = set(_layers(model.model))
    if found != set(names):
        raise InputError(
            "lora.targets",
            f"peft would adapt {len(found)} matrices where {len(names)} are meant",
            "Name the matrices one by one",
        )


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise InputError(
            "lora", "the library peft is not installed", f"Run {how_to_install('peft')}"
        ) from error
    return peft


def targets(model: transformers.PreTrainedModel, lora: Lora) -> list[str]:
    """The names of the modules that get an adapter.

    Matrices are the `Linear` and `Conv1D` modules that a step trains, without the output matrix:
    the loss is computed from its weight alone. Raises InputError where a target is none of them.
    """
    matrices = _matrices(model)
    if lora.targets == (ALL_LINEAR,):
        wanted = matrices
    else:
        for target in lora.targets:
            if not any(_is(name, target) for name in matrices):
                raise _no_target(target, matrices)
        wanted = [name for name in matrices if any(_is(name, t) for t in lora.targets)]
    if not wanted:
        raise InputError("lora", "the model has no matrices that are layers", "Write trains: all")
    return wanted


def _is(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")


def _matrices(model: transformers.PreTrainedModel) -> list[str]:
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and module is not head
        and module.weight.requires_grad
    ]


def _no_target(target: str, matrices: list[str]) -> InputError:
    known = list(dict.fromkeys(name.rpartition(".")[2] for name in matrices))
    remedy = f"Give {ALL_LINEAR}, or some of {nearest(target, known)}"
    return InputError(
        f"lora.targets {shown(target)}", "no matrix of the blocks has the name", remedy
    )


def _layers(model: nn.Module) -> dict[str, Any]:
    """The layers of peft by the names that their matrices have in the model."""
    return {name: m for name, m in model.named_modules() if hasattr(m, "base_layer")}


def is_transposed(model: LanguageModel) -> bool:
    """Whether its adapted matrices are [in, out], as those of GPT-2 are, and not [out, in]."""
    return any(isinstance(m.base_layer, Conv1D) for m in _layers(model).values())


@contextmanager
def without_adapters(model: LanguageModel) -> Iterator[None]:
    """Inside the block the model's modules and parameters have the names of the plain model."""
    layers = _layers(model)
    for name, layer in layers.items():
        _place(model, name, layer.base_layer)
    try:
        yield
    finally:
        for name, layer in layers.items():
            _place(model, name, layer)


def _place(model: nn.Module, name: str, module: nn.Module) -> None:
    owner, _, last = name.rpartition(".")
    setattr(model.get_submodule(owner), last, module)


def plain_name(name: str) -> str:
    """A parameter's name as it is in the model without adapters."""
    return name.replace(_INNER, ".")


def adapter_parameters(model: LanguageModel) -> dict[str, nn.Parameter]:
    """The weights of adapters, as `<matrix>.lora_A` and `<matrix>.lora_B`."""
    return {
        f"{name}.{part}": getattr(layer, part)[_ADAPTER].weight
        for name, layer in _layers(model.model).items()
        for part in PARTS
    }
