"""Models of Hugging Face without the bytes of their parameters: built in a moment at any size."""

from __future__ import annotations

import torch
import transformers
from accelerate import init_empty_weights
from torch import nn
from transformers.initialization import no_init_weights


def empty_causal_model(
    config: transformers.PretrainedConfig, attention: str
) -> transformers.PreTrainedModel:
    """The causal language model with its parameters on the meta device and its buffers computed.

    Buffers such as rotary frequencies come from the configuration and are in no checkpoint.
    Raises ValueError where the model does not support the attention.
    """
    model = untied_causal_model(config, attention)
    model.tie_weights()
    return model


def untied_causal_model(
    config: transformers.PretrainedConfig, attention: str
) -> transformers.PreTrainedModel:
    """The same model before its head is made the same parameter as the embedding."""
    with init_empty_weights(include_buffers=False), no_init_weights():
        model: transformers.PreTrainedModel = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation=attention, dtype=torch.float32, trust_remote_code=False
        )
    return model


def materialize(model: nn.Module, device: torch.device) -> None:
    """Allocate the parameters on the device, with no values yet, and move the buffers there.

    The model may be sharded: then only this rank's shares are allocated. Tied parameters stay one.
    """
    tied = _names_by_parameter(model)
    buffers = dict(model.named_buffers(remove_duplicate=False))
    model.to_empty(device=device)
    for first, *others in tied:
        for name in others:
            owner, _, attribute = name.rpartition(".")
            setattr(model.get_submodule(owner), attribute, model.get_parameter(first))
    for name, buffer in model.named_buffers(remove_duplicate=False):
        buffer.copy_(buffers[name])


def _names_by_parameter(model: nn.Module) -> list[list[str]]:
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return list(names.values())
