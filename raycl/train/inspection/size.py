"""Counts a model's parameters and the FLOPs of its training, on the model itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import transformers
from torch import nn

from raycl.train.inspection.probe import pattern
from raycl.train.model.shrink import value_of

_EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
_CHOSEN = ("num_experts_per_tok", "experts_per_token", "top_k", "moe_topk", "moe_k", "moe_top_k")
_FULL = "full_attention"


@dataclass(frozen=True)
class Size:
    """Numbers of parameters, and FLOPs."""

    parameters: int
    trained: int
    active: int
    flops_per_token: float


def measure(
    model: transformers.PreTrainedModel, unreached: Collection[str], sequence_length: int
) -> Size:
    """The size of a model, which may be on the meta device.

    Training takes 6 FLOPs for each weight in a product with a token: every trained weight that the
    token uses but look-up tables; of a layer's experts only the share it is sent to; the output
    matrix counts also where it is the embedding. Attention takes 12 · width · mean context for each
    layer that has it, as in PaLM (Chowdhery et al. 2022, appendix B); the mean context of a causal
    layer is half the sequence, and less with a sliding window. These are the numbers of
    `raycl/plan/presets.py` for its models. The scans of state-space layers are not counted.
    """
    share = _share_of_experts(model.config.get_text_config())
    looked_up = tables(model)
    total = trained = active = products = 0.0
    for name, parameter in model.named_parameters():
        count = parameter.numel()
        used = count * (share if ".experts." in name else 1.0)
        total, active = total + count, active + used
        if pattern(name) in unreached:
            active -= used
            continue
        trained += count
        products += 0 if id(parameter) in looked_up else used
    flops = 6.0 * products + _attention(model.config.get_text_config(), sequence_length)
    return Size(int(total), int(trained), int(active), flops)


def tables(model: nn.Module) -> set[int]:
    """Identities of the embeddings that are looked up and never multiplied."""
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    head = model.get_output_embeddings()  # type: ignore[operator]
    return tables - {id(getattr(head, "weight", None))}


def _share_of_experts(config: Any) -> float:
    """The share of a layer's experts that a token is sent to."""
    experts, chosen = _first(config, _EXPERTS), _first(config, _CHOSEN)
    return min(1.0, chosen / experts) if experts and chosen else 1.0


def _first(config: Any, names: Collection[str]) -> int | None:
    values = (value_of(config, name) for name in names)
    return next((v for v in values if isinstance(v, int) and not isinstance(v, bool)), None)


def _attention(config: Any, length: int) -> float:
    """FLOPs of the scores and their sums over values, for each token in all layers."""
    heads, hidden = (value_of(config, n) for n in ("num_attention_heads", "hidden_size"))
    if not isinstance(heads, int) or not isinstance(hidden, int):
        return 0.0
    head = value_of(config, "head_dim")
    width = heads * head if isinstance(head, int) else hidden
    return 12.0 * width * sum(contexts(config, length))


def contexts(config: Any, length: int) -> Iterator[float]:
    """The mean number of tokens that a token attends to, for each layer with attention."""
    kinds = value_of(config, "layer_types") or value_of(config, "layers_block_type")
    for kind in kinds or [_FULL] * int(value_of(config, "num_hidden_layers") or 0):
        window = value_of(config, "sliding_window") or length
        if "sliding" in kind and window < length:
            yield window - window**2 / (2 * length)
        elif "attention" in kind and "linear" not in kind:
            yield length / 2
