"""Draws weights as a model's class does, one unit at a time: embedding, each block, norm, head.

transformers initialises a whole model from the global generator. Here each unit is made on the
CPU, initialised by the rules of its class with a seed of its own, and a rank keeps its shares.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
import transformers
from torch import nn

from raycl.train.model.empty import untied_causal_model
from raycl.train.model.language_model import LanguageModel, transformer_blocks
from raycl.train.parallel.boxes import keep_share
from raycl.train.parallel.world import World
from raycl.train.start.random_weights import seed_of


class _NotByUnits(Exception):
    """The class cannot be initialised unit by unit."""


@dataclass(frozen=True)
class _Unit:
    """A module whose weights are drawn together, or a container of such modules by itself."""

    name: str
    module: nn.Module
    owner: transformers.PreTrainedModel
    """The innermost model that it is part of, whose rules it follows."""
    alone: bool

    def modules(self) -> list[nn.Module]:
        return [self.module] if self.alone else list(self.module.modules())

    def parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """By their names in the whole model."""
        return self.module.named_parameters(self.name, not self.alone, remove_duplicate=False)

    def buffers(self) -> Iterator[tuple[str, torch.Tensor]]:
        """By their names in the whole model."""
        return self.module.named_buffers(self.name, not self.alone, remove_duplicate=False)


def draw_by_class(model: transformers.PreTrainedModel, seed: int, world: World) -> None:
    """Fill the model with initial weights of its class (collective).

    A class that leaves a weight of a unit unset, or that reaches from one unit into another, cannot
    be drawn by units. Then rank 0 makes the whole model, and its tensors are sent one by one.
    """
    try:
        _draw_units(model, seed)
    except _NotByUnits:
        _send(_whole_model(model, seed) if world.rank == 0 else None, model, world)


@torch.no_grad()
def _draw_units(model: transformers.PreTrainedModel, seed: int) -> None:
    # As in transformers, a tied head is drawn as well; then the embedding takes its place.
    pattern = untied_causal_model(model.config, model.config._attn_implementation)
    tied = model.get_expanded_tied_weights_keys(all_submodels=True)
    places, blocks = _tensors(model), set(transformer_blocks(LanguageModel(pattern)))
    for unit in _units(pattern, "", pattern, blocks):
        with _drawn(unit, pattern, seed):
            for name, values in (*unit.parameters(), *unit.buffers()):
                if name not in tied:
                    keep_share(places[name], values)


def _units(
    module: nn.Module,
    name: str,
    owner: transformers.PreTrainedModel,
    blocks: Collection[nn.Module],
) -> Iterator[_Unit]:
    """The blocks, the modules beside them, and the containers of blocks after what they hold."""
    owner = module if isinstance(module, transformers.PreTrainedModel) else owner
    alone = module not in blocks and any(inner in blocks for inner in module.modules())
    if alone:
        for child_name, child in module.named_children():
            yield from _units(child, f"{name}.{child_name}".lstrip("."), owner, blocks)
    yield _Unit(name, module, owner, alone)


@contextmanager
def _drawn(unit: _Unit, pattern: nn.Module, seed: int) -> Iterator[None]:
    """Give the unit's parameters initial values inside the block. Raises _NotByUnits."""
    owned = [
        (module, name, parameter)
        for module in unit.modules()
        for name, parameter in module.named_parameters(recurse=False)
    ]
    for module, name, parameter in owned:
        setattr(module, name, nn.Parameter(torch.full(parameter.shape, math.nan)))
    versions = _versions(pattern, unit)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, unit.name))
        _initialize(unit.module, unit.owner, inside=not unit.alone)
    if _versions(pattern, unit) != versions:
        raise _NotByUnits(f"{unit.name} sets weights of other units")
    for name, values in unit.parameters():
        if bool(values.isnan().any()):
            raise _NotByUnits(f"{name} is left as it is made")
    yield
    for module, name, parameter in owned:
        setattr(module, name, parameter)


def _initialize(module: nn.Module, owner: transformers.PreTrainedModel, *, inside: bool) -> None:
    """Apply the class's rules to a module after those inside it, as transformers does."""
    owner = module if isinstance(module, transformers.PreTrainedModel) else owner
    if inside:
        for child in module.children():
            _initialize(child, owner, inside=True)
    # A class states its rules in this method. The public `initialize_weights` is for whole models.
    owner._init_weights(module)


def _versions(pattern: nn.Module, unit: _Unit) -> list[tuple[int, int]]:
    """What would show a write to a parameter outside of the unit, which has no bytes."""
    own = {name for name, _ in unit.parameters()}
    return [(id(p), p._version) for name, p in pattern.named_parameters() if name not in own]


def _whole_model(model: transformers.PreTrainedModel, seed: int) -> nn.Module:
    """The model as transformers makes it, on the CPU."""
    # The global generator must be left unchanged.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        whole: nn.Module = transformers.AutoModelForCausalLM.from_config(
            model.config,
            attn_implementation=model.config._attn_implementation,
            dtype=torch.float32,
            trust_remote_code=False,
        )
    return whole


@torch.no_grad()
def _send(whole: nn.Module | None, model: nn.Module, world: World) -> None:
    """Fill the model of every rank from rank 0's whole one, a tensor at a time."""
    source = _tensors(whole) if whole is not None else None
    for name, place in _tensors(model).items():
        if source is None:
            values = torch.empty(place.shape, dtype=place.dtype)
        else:
            values = source[name].detach().contiguous()
        if world.size > 1:
            dist.broadcast(values, src=0, group=world.group)
        keep_share(place, values)


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers under all their names."""
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
