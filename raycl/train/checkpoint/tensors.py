"""A training as tensors with names: the weights, and AdamW's moments."""

from __future__ import annotations

import torch

from raycl.train.model.adapters import adapter_parameters, without_adapters
from raycl.train.model.language_model import LanguageModel

ADAPTER = "adapter."
MOMENT = "optimizer."
"""How the names of adapters and of AdamW's moments begin."""
_MOMENTS = ("exp_avg", "exp_avg_sq")


def restore_step_count(
    model: LanguageModel, optimizer: torch.optim.Optimizer, optimizer_steps: int
) -> None:
    """Make AdamW's state exist as after `optimizer_steps` updates, its moments still zero."""
    for parameter in (p for p in model.parameters() if p.requires_grad):
        optimizer.state[parameter] = {
            "step": torch.full((), float(optimizer_steps), device=parameter.device),
            **{moment: torch.zeros_like(parameter) for moment in _MOMENTS},
        }


def named_tensors(
    model: LanguageModel, optimizer: torch.optim.Optimizer | None
) -> dict[str, torch.Tensor]:
    """Weights as `model.<name>`, moments as `optimizer.exp_avg.<name>`; not copied.

    A parameter that needs no gradient has no moments. Buffers that a checkpoint holds are weights.
    With an optimizer, adapters are there too, as `adapter.<matrix>.lora_A` and `….lora_B`; without
    one the tensors are those of the plain model.
    """
    with without_adapters(model):
        parameters, buffers = dict(model.named_parameters()), _buffers(model)
    if optimizer is not None:
        parameters |= {ADAPTER + name: p for name, p in adapter_parameters(model).items()}
    tensors: dict[str, torch.Tensor] = {}
    for full_name, parameter in parameters.items():
        tensors[full_name] = parameter.detach()
        if optimizer is None or not parameter.requires_grad:
            continue
        name = full_name.removeprefix("model.")
        for moment in _MOMENTS:
            tensors[f"{MOMENT}{moment}.{name}"] = optimizer.state[parameter][moment]
    return tensors | buffers


def _buffers(model: LanguageModel) -> dict[str, torch.Tensor]:
    """Buffers that belong to the weights, such as the balance of experts in DeepSeek-V3."""
    stored = model.state_dict().keys()
    return {name: buffer for name, buffer in model.named_buffers() if name in stored}
