"""Tensors of a checkpoint that its model has no place for: some may stay behind, others may not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import transformers

from raycl.models.start import TensorHeader
from raycl.train.start.origins import origins

_BUFFERS = ("inv_freq", "masked_bias", "position_ids")
_MASKS = (".attn.bias", ".attention.bias")
"""Endings of tensors that old versions stored and that are computed from the configuration.

A mask has the dimensions [1, 1, positions, positions], by which it differs from a bias."""
_SHOWN = 3


@dataclass
class LeftOver:
    """The tensors that no weight is made from, by what it means to leave them out."""

    computed: list[str] = field(default_factory=list)
    """Buffers of old versions, which are computed from the configuration."""
    unread: list[str] = field(default_factory=list)
    """Tensors that the model's class in transformers leaves out, such as layers that predict
    further tokens."""
    beside: list[str] = field(default_factory=list)
    """Parts beside the language model: another head, a tower for images."""
    inside: list[str] = field(default_factory=list)
    """Weights within the language model, with which it would compute something else."""

    def sentences(self, where: str, kind: str) -> tuple[str, ...]:
        """What a user has to know of those that may stay behind; `kind` is the model's class."""
        parts = (
            (self.computed, "not read, since config.json gives their values"),
            (self.unread, f"left out by transformers' {kind}, and neither trained nor exported"),
            (self.beside, f"no part of a {kind}, and neither trained nor exported"),
        )
        return tuple(
            f"{where}: {_count(names)} {what}: {shown_names(names)}"
            for names, what in parts
            if names
        )


def left_over(
    model: transformers.PreTrainedModel,
    tensors: Mapping[str, TensorHeader],
    unexpected: Collection[str],
) -> LeftOver:
    """The tensors that the model has no place for. `unexpected` are those that loading warns of.

    A tensor lies beside the language model where its name begins with a part that neither the model
    nor its base has. Where the names lack that of the base, as a base model saves them, this cannot
    be told, and all count as inside.
    """
    found, warned = LeftOver(), set(unexpected)
    parts = _parts(model)
    beginning = f"{model.base_model_prefix}."
    whole = any(name.startswith(beginning) for name in tensors)
    for key, name in sorted(origins(model, tensors).left.items()):
        if is_computed(key, tensors[key]):
            found.computed.append(key)
        elif not warned & {key, name}:
            found.unread.append(key)
        elif whole and key.partition(".")[0] not in parts:
            found.beside.append(key)
        else:
            found.inside.append(key)
    return found


def _parts(model: transformers.PreTrainedModel) -> set[str]:
    """The names of the parts of which the model and its base are made."""
    children = [*model.named_children(), *model.base_model.named_children()]
    return {name for name, _ in children}


def is_computed(name: str, header: TensorHeader) -> bool:
    """Whether a tensor is a buffer whose values follow from the configuration."""
    return name.endswith(_BUFFERS) or (name.endswith(_MASKS) and len(header.shape) == 4)


def shown_names(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _count(names: Sequence[str]) -> str:
    return "a tensor is" if len(names) == 1 else f"{len(names)} tensors are"
