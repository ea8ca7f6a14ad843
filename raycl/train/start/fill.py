"""Gives an empty model its weights: drawn from a seed, or read from a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from raycl.models.store import start_weights
from raycl.models.weight_files import WeightFiles
from raycl.plan.training import ModelSpec
from raycl.storage import Storage
from raycl.train.model.documents import Borders
from raycl.train.model.empty import materialize
from raycl.train.model.language_model import LanguageModel, empty_model
from raycl.train.parallel.world import World
from raycl.train.start.class_weights import draw_by_class
from raycl.train.start.pretrained import read_weights
from raycl.train.start.random_weights import draw_gpt_neox

Source = int | WeightFiles
"""Where first weights come from: the seed of a random start, or the files of a checkpoint."""


def initial_weights(storage: Storage, spec: ModelSpec, seed: int) -> Source:
    """What a model starts from. Raises InputError where the storage lacks its checkpoint."""
    return seed if spec.pretrained is None else start_weights(storage, spec.pretrained)


def fill(model: LanguageModel, spec: ModelSpec, source: Source, world: World) -> None:
    """Give every rank its share of the initial weights (collective), with nothing else in memory.

    The same source gives the same weights on any number of workers. Raises InputError where files
    are damaged or not those of this model.
    """
    if isinstance(source, WeightFiles):
        read_weights(model.model, source, world)
    elif spec.initialization == "gpt-neox":
        draw_gpt_neox(model.model, source)
    else:
        draw_by_class(model.model, source, world)


def whole_model(
    spec: ModelSpec,
    sequence_length: int,
    source: Source | None,
    attention: Sequence[str] = ("sdpa", "eager"),
    borders: Borders | None = None,
) -> LanguageModel:
    """The whole model in float32 on the CPU of one process, made as the workers make theirs.

    With `source` None its weights are not set, for a state that is loaded next. Raises InputError
    as `empty_model` and `fill` do.
    """
    if isinstance(source, int) and spec.pretrained is not None:
        raise ValueError("a pretrained model needs the files of its weights")
    cpu = torch.device("cpu")
    model = empty_model(spec, sequence_length, attention, borders)
    materialize(model, cpu)
    if source is not None:
        fill(model, spec, source, World(0, 1, cpu))
    return model
