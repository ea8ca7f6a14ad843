"""Builds and initialises causal language models of Hugging Face, with their loss; exports them."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from torch import nn
from torch.nn import functional
from transformers.initialization import no_init_weights

from raycl.errors import InputError
from raycl.plan.training import ModelSpec
from raycl.train.dropout import silence_configuration, silence_modules
from raycl.train.loss import summed_cross_entropy
from raycl.train.pretrained import earlier_configuration, load_weights

Attention = Literal["auto", "sdpa", "flash"]

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

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Sum of cross entropies (nats) over all targets; `rows` is [count, length + 1] int64."""
        inputs, targets = rows[:, :-1], rows[:, 1:].reshape(-1)
        if self.model.config.model_type not in PLAIN_HEADS:
            logits = self.model(input_ids=inputs, use_cache=False).logits
            return functional.cross_entropy(logits.flatten(0, 1).float(), targets, reduction="sum")
        # In float32 this makes the logits in chunks, so that all of them never exist at once.
        hidden = self.model.base_model(input_ids=inputs, use_cache=False)[0].flatten(0, 1)
        return summed_cross_entropy(hidden, self.model.get_output_embeddings().weight, targets)


def attention_implementation(attention: Attention, device: torch.device, dtype: torch.dtype) -> str:
    """The attention's name in transformers. Raises InputError where `flash` cannot be used."""
    usable = device.type == "cuda" and dtype != torch.float32
    usable = usable and importlib.util.find_spec("flash_attn") is not None
    if attention == "flash" and not usable:
        raise InputError(
            "training.attention",
            "flash needs flash-attn, a CUDA device and bfloat16",
            "Take sdpa or auto",
        )
    return "flash_attention_2" if usable and attention != "sdpa" else "sdpa"


def build_model(
    spec: ModelSpec,
    sequence_length: int,
    seed: int,
    *,
    attention: str = "sdpa",
    initialize: bool = True,
    start: Path | None = None,
) -> LanguageModel:
    """The whole float32 model on the CPU, without dropout. Its seed alone decides random weights.

    `start` is a local folder with the weights of `spec.pretrained`. `initialize=False` leaves
    weights unset where a stored state is loaded right after. Raises InputError where the sequence
    is too long for the model, or the configuration or the weights are not usable.
    """
    config = _configuration(spec)
    if start is not None and initialize:
        model = load_weights(config, start, attention)
    else:
        if initialize and spec.pretrained is not None:
            raise ValueError("a pretrained model needs the folder of its weights")
        model = _from_config(spec, config, seed, attention, initialize)
    silence_modules(model)
    longest = getattr(model.config, "max_position_embeddings", None)
    if longest is not None and sequence_length > longest:
        raise InputError(
            "sequence_length",
            f"{sequence_length} tokens, but the model has {longest} positions",
            "Shorten it, or raise model.config.max_position_embeddings",
        )
    model.config.use_cache = False
    return LanguageModel(model)


def hugging_face_config(config: Mapping[str, Any]) -> transformers.PretrainedConfig:
    """The object for a complete configuration. Raises InputError where transformers refuses it."""
    fields = deepcopy(dict(config))  # transformers changes nested parts in place
    name = fields.pop("model_type", None)
    try:
        return transformers.AutoConfig.for_model(name, **fields)
    except Exception as error:  # transformers' strict configs raise types of their own
        raise InputError(
            "model.config", str(error).strip(), "Give a Hugging Face configuration"
        ) from error


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
    attention: str,
    initialize: bool,
) -> transformers.PreTrainedModel:
    arguments = {
        "attn_implementation": attention,
        "dtype": torch.float32,
        "trust_remote_code": False,
    }
    model: transformers.PreTrainedModel
    if initialize and spec.initialization == "transformers":
        # The model class draws from the global generator, which must be left unchanged.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = transformers.AutoModelForCausalLM.from_config(config, **arguments)
        return model
    with no_init_weights():
        model = transformers.AutoModelForCausalLM.from_config(config, **arguments)
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
    layers = model.model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == layers:
            return list(module)
    return []


def checkpoint_activations(model: LanguageModel) -> None:
    """Have the backward pass compute activations again, so that they need no memory until then."""
    # The method has two names. transformers 5.23 deprecates the only name in earlier versions.
    enable = getattr(model.model, "activation_checkpointing_enable", None)
    (enable or model.model.gradient_checkpointing_enable)({"use_reentrant": False})


def save_hugging_face(model: LanguageModel, folder: Path) -> None:
    """Write config.json and safetensors weights that `from_pretrained` reads."""
    model.model.config.use_cache = True  # off while training; users who generate text want it
    model.model.save_pretrained(folder)
