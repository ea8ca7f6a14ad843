"""The values with which adapters of low rank begin."""

from __future__ import annotations

import math

import torch

from raycl.train.model.adapters import PARTS, adapter_parameters
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.boxes import keep_share, local_part
from raycl.train.start.random_weights import seed_of


@torch.no_grad()
def draw_adapters(model: LanguageModel, seed: int, step: int) -> None:
    """Give the model's adapters their first values, in place: A uniform, B zero.

    A is drawn as peft draws it, from ±1 / √in, by a generator that the seed, the step at which the
    stage begins and the tensor's name seed: the same on any number of workers.
    """
    for name, parameter in adapter_parameters(model).items():
        if name.endswith(PARTS[1]):
            local_part(parameter).zero_()
            continue
        bound = 1 / math.sqrt(parameter.shape[1])
        generator = torch.Generator().manual_seed(seed_of(seed, f"{step}/{name}"))
        drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
        keep_share(parameter, drawn)
