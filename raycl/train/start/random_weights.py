"""Draws the weights of a random start. A rank draws each part in turn and keeps its share of it.

The same seed gives the same weights on any number of workers, and no rank ever holds the model.
"""

from __future__ import annotations

import hashlib
import math

import torch
import transformers

from raycl.train.parallel.boxes import keep_share, local_part

_OUTPUT_PROJECTIONS = (
    "attention.dense.weight",
    "mlp.dense_4h_to_h.weight",
    "o_proj.weight",
    "down_proj.weight",
)


def seed_of(seed: int, name: str) -> int:
    """A seed for one part of a model, so that no weight depends on the order of the parts."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:7], "big")


@torch.no_grad()
def draw_gpt_neox(model: transformers.PreTrainedModel, seed: int) -> None:
    """GPT-NeoX's `small_init` and `wang_init` (paper §2), one whole tensor at a time on the CPU.

    As in gpt-neox's megatron/model/init_functions.py, the standard deviation is √(2 / 5h) for
    matrices and embeddings, and 2 / (L √h) for the two projections that end in the residual stream;
    biases are 0 and norms 1. Every tensor draws from a generator of its own that its name seeds.
    """
    hidden, layers = model.config.hidden_size, model.config.num_hidden_layers
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            local_part(parameter).fill_(0.0 if name.endswith("bias") else 1.0)
            continue
        output = name.endswith(_OUTPUT_PROJECTIONS)
        deviation = 2 / (layers * math.sqrt(hidden)) if output else math.sqrt(2 / (5 * hidden))
        generator = torch.Generator().manual_seed(seed_of(seed, name))
        keep_share(
            parameter, torch.empty(parameter.shape).normal_(0.0, deviation, generator=generator)
        )
