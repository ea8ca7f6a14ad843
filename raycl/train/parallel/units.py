"""The parts of a model that are gathered, computed and freed together."""

from __future__ import annotations

from collections import Counter

from torch import nn

from raycl.errors import InputError
from raycl.train.model.language_model import LanguageModel, transformer_blocks


def sharding_units(model: LanguageModel, shards: int) -> list[nn.Module]:
    """The embedding and each block. What is left, final norm and head, is the model's own unit.

    A module that shares a parameter with another one, such as a tied embedding, is no unit: both
    have to be in one, and the model's own is the only one that holds both. Raises InputError where
    a model that is divided into `shards` has no known blocks: it would be gathered as a whole.
    """
    blocks = transformer_blocks(model)
    if not blocks and shards > 1:
        raise InputError(
            f"model_type {model.model.config.model_type!r}",
            "its transformer blocks were not found, so it cannot be divided over workers",
            "Train it with workers: 1",
        )
    uses = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    embedding = model.model.get_input_embeddings()
    return [unit for unit in (embedding, *blocks) if _is_alone(unit, uses)]


def _is_alone(unit: nn.Module, uses: Counter[int]) -> bool:
    """Whether the module has parameters and shares none of them."""
    parameters = list(unit.parameters())
    return bool(parameters) and all(uses[id(parameter)] == 1 for parameter in parameters)
