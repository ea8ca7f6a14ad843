"""Builds and initialises causal language models of Hugging Face, with their loss; exports them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import nn
from torch.nn import functional
from transformers.initialization import no_init_weights

from raycl.models.configuration import check_positions
from raycl.plan.training import ModelSpec
from raycl.train.architecture import hugging_face_config
from raycl.train.attention import built_with
from raycl.train.dropout import silence_configuration, silence_modules
from raycl.train.loss import summed_cross_entropy
from raycl.train.pretrained import earlier_configuration, load_weights
from raycl.train.quiet import silent

PLAIN_HEADS = frozenset(
    {"gpt_neox", "llama", "mistral", "qwen2", "qwen3", "olmo", "olmo2", "smollm3"}
)
"""Model types whose logits are exactly `lm_head(hidden)`: no soft cap, no scale, no bias."""

_OUTPUT_PROJECTIONS = (
    "attention.dense.weight",
    "mlp.dense_4h_to_h.weight",
    "o_proj.weight",
    "down_proj.weight",
)


class LanguageModel(nn.Module):
    """A Hugging Face causal LM whose forward pass is the summed next-token loss of rows.

    The head and the loss run inside `forward`, because FSDP gathers the head's weight only there.
    A parameter's name is `model.` followed by its Hugging Face name.
    """

    def __init__(self, model: transformers.PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.vocabulary = vocabulary_of(model)
        self.keeps_gathered = False
        """Whether gathered weights stay from a step's first micro-batch to its last."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Sum of cross entropies (nats) over all targets; `rows` is [count, length + 1] int64."""
        inputs, targets = rows[:, :-1], rows[:, 1:].reshape(-1)
        if self.model.config.model_type not in PLAIN_HEADS:
            logits = self.model(input_ids=inputs, use_cache=False).logits
            return functional.cross_entropy(logits.flatten(0, 1).float(), targets, reduction="sum")
        # In float32 this makes the logits in chunks, so that all of them never exist at once.
        hidden = self.model.base_model(input_ids=inputs, use_cache=False)[0].flatten(0, 1)
        return summed_cross_entropy(hidden, self.model.get_output_embeddings().weight, targets)


def vocabulary_of(model: transformers.PreTrainedModel) -> int:
    """Tokens that both the embedding and the output matrix have."""
    parts: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    return min(int(part.weight.shape[0]) for part in parts if part is not None)


def build_model(
    spec: ModelSpec,
    sequence_length: int,
    seed: int,
    *,
    attention: Sequence[str] = ("sdpa", "eager"),
    initialize: bool = True,
    start: Path | None = None,
) -> LanguageModel:
    """The whole float32 model on the CPU, without dropout. Its seed alone decides random weights.

    `attention` has transformers' names; the first that the model supports is taken. `start` is a
    local folder with the weights of `spec.pretrained`. `initialize=False` leaves weights unset
    where a stored state is loaded right after. Raises InputError where the sequence is too long for
    the model, or the configuration or the weights are not usable.
    """
    config = _configuration(spec)
    if start is not None and initialize:
        model = load_weights(config, start, attention)
    else:
        if initialize and spec.pretrained is not None:
            raise ValueError("a pretrained model needs the folder of its weights")
        model = _from_config(spec, config, seed, attention, initialize)
    silence_modules(model)
    check_positions(model.config.to_dict(), sequence_length)
    model.config.use_cache = False
    return LanguageModel(model)


def _configuration(spec: ModelSpec) -> transformers.PretrainedConfig:
    if spec.pretrained is not None and not spec.config:
        config = earlier_configuration(spec.pretrained)
    else:
        config = hugging_face_config(spec.config)
    silence_configuration(config)
    return config


def _from_config(
    spec: ModelSpec,
    config: transformers.PretrainedConfig,
    seed: int,
    attention: Sequence[str],
    initialize: bool,
) -> transformers.PreTrainedModel:
    def build(implementation: str) -> transformers.PreTrainedModel:
        model: transformers.PreTrainedModel = transformers.AutoModelForCausalLM.from_config(
            config,
            attn_implementation=implementation,
            dtype=torch.float32,
            trust_remote_code=False,
        )
        return model

    if initialize and spec.initialization == "transformers":
        # The model class draws from the global generator, which must be left unchanged.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return built_with(config, attention, build)
    with no_init_weights():
        model = built_with(config, attention, build)
    model.tie_weights()
    if initialize:
        initialize_gpt_neox(model, seed)
    return model


@torch.no_grad()
def initialize_gpt_neox(model: transformers.PreTrainedModel, seed: int) -> None:
    """GPT-NeoX's `small_init` and `wang_init` (paper §2).

    As in gpt-neox's megatron/model/init_functions.py, the standard deviation is √(2 / 5h) for
    matrices and embeddings, and 2 / (L √h) for the two projections that end in the residual stream;
    biases are 0 and norms 1. Every tensor draws from a generator of its own that its name seeds, so
    that no weight depends on the order of the modules.
    """
    hidden, layers = model.config.hidden_size, model.config.num_hidden_layers
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            continue
        output = name.endswith(_OUTPUT_PROJECTIONS)
        deviation = 2 / (layers * math.sqrt(hidden)) if output else math.sqrt(2 / (5 * hidden))
        digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        parameter.normal_(0.0, deviation, generator=generator)


def transformer_blocks(model: LanguageModel) -> list[nn.Module]:
    """The transformer blocks: the first list of modules with as many entries as there are layers.

    Empty where the model has no such list.
    """
    layers = getattr(model.model.config.get_text_config(), "num_hidden_layers", None)
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return list(module)
    return []


def save_hugging_face(model: LanguageModel, folder: Path) -> None:
    """Write config.json and safetensors weights that `from_pretrained` reads."""
    model.model.config.use_cache = True  # off while training; users who generate text want it
    with silent():
        model.model.save_pretrained(folder)
