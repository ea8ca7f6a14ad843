"""Which tensors of a checkpoint each weight of a model is made from.

transformers renames tensors of old versions, and merges or splits some, such as experts that are
stored one by one. The rules are asked of transformers itself; they are what `from_pretrained` uses.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers
from transformers.conversion_mapping import get_model_conversion_mapping
from transformers.core_model_loading import (
    WeightConverter,
    WeightRenaming,
    dot_natural_key,
    rename_source_key,
)


@dataclass
class Conversion:
    """Tensors that are made into one weight or several."""

    rule: Any
    weight: str
    keys: list[tuple[str, str]] = field(default_factory=list)
    """The rule's pattern and the key of each tensor, in the order of merging."""

    def apply(
        self, read: Callable[[str], torch.Tensor], model: transformers.PreTrainedModel
    ) -> dict[str, torch.Tensor]:
        """The weights by name, from whole tensors on the CPU."""
        rule = copy.deepcopy(self.rule)
        for pattern, key in self.keys:
            rule.add_tensor(self.weight, key, pattern, read(key))
        made = rule.convert(self.weight, model=model, config=model.config)
        return {n: value[0] if isinstance(value, list) else value for n, value in made.items()}


@dataclass
class Origins:
    """Where the weights of a model come from."""

    plain: dict[str, str] = field(default_factory=dict)
    """From a weight's name to the key of the tensor that has its values."""
    conversions: dict[str, Conversion] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    """From the key of a tensor that the model has no place for to the name that it would have."""


def origins(model: transformers.PreTrainedModel, keys: Collection[str]) -> Origins:
    """How each weight of the model is made from the tensors of a checkpoint."""
    rules = get_model_conversion_mapping(model)
    renamings = [rule for rule in rules if isinstance(rule, WeightRenaming)]
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    by_pattern = {p: rule for rule in converters for p in rule.source_patterns}
    prefix, weights = model.base_model_prefix, model.state_dict()
    found = Origins()
    for key in sorted(keys, key=dot_natural_key):
        name, pattern = rename_source_key(key, renamings, converters, prefix, weights)
        if name not in weights and key in weights:
            name, pattern = rename_source_key(key, [], [], prefix, weights)
        if name not in weights:
            found.left[key] = name
        elif pattern is None:
            found.plain[name] = key
        else:
            made = found.conversions.setdefault(name, Conversion(by_pattern[pattern], name))
            made.keys.append((pattern, key))
    return found


def token_tables(model: transformers.PreTrainedModel, keys: Collection[str]) -> tuple[str, ...]:
    """The tensors with a row for each token: the embedding, and a head that is not tied to it.

    One that transformers makes of other tensors is left out.
    """
    plain = origins(model, keys).plain
    parts: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    weights = dict.fromkeys(id(part.weight) for part in parts if part is not None)
    named = dict(model.named_parameters(remove_duplicate=False))
    found = ([n for n in plain if n in named and id(named[n]) == weight] for weight in weights)
    return tuple(plain[names[0]] for names in found if names)
