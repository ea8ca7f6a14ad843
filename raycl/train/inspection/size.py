"""Counts a model's parameters and the FLOPs of its training, on the model itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import transformers
from torch import nn

from raycl.train.inspection.probe import pattern
from raycl.train.model.adapters import plain_name
from raycl.train.model.language_model import LanguageModel, transformer_blocks
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
    """The size of a model, which may be on the meta device, and of what a step of it trains.

    Training takes 6 FLOPs for each weight in a product with a token: every weight that the token
    uses and gradients reach, but look-up tables; of a layer's experts only the share it is sent to;
    the output matrix counts also where it is the embedding. Two of the six are for the gradient of
    the weight itself, which a frozen one has none of, and two for that of its input, which nothing
    needs below the first trained weight. Attention takes 12 · width · mean context for each layer
    that has it, as in PaLM (Chowdhery et al. 2022, appendix B), and a third of it below the first
    trained weight; the mean context of a causal layer is half the sequence, and less with a sliding
    window. These are the numbers of `raycl/plan/presets.py` for its models. The scans of
    state-space layers are not counted.
    """
    config = model.config.get_text_config()
    share = _share_of_experts(config)
    looked_up, units = tables(model), _Units(model)
    total = trained = active = flops = 0.0
    for name, parameter in model.named_parameters():
        count = parameter.numel()
        used = count * (share if ".experts." in name else 1.0)
        total, active = total + count, active + used
        if pattern(plain_name(name)) in unreached:
            active -= used
            continue
        trained += count if parameter.requires_grad else 0
        flops += 0 if id(parameter) in looked_up else used * units.flops(parameter)
    flops += _attention(config, sequence_length) * (1 - 2 / 3 * units.share_below)
    return Size(int(total), int(trained), int(active), flops)


class _Units:
    """The embedding, the blocks and the rest of a model, in the order in which they compute."""

    def __init__(self, model: transformers.PreTrainedModel) -> None:
        blocks = transformer_blocks(LanguageModel(model))
        inputs = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
        self._last = len(blocks) + 1
        self._of = {id(p): n for n, block in enumerate(blocks, 1) for p in block.parameters()}
        trained = [p for p in model.parameters() if p.requires_grad]
        self._first = min(
            (0 if id(p) in inputs else self._of.get(id(p), self._last) for p in trained), default=0
        )
        below = min(max(self._first - 1, 0), len(blocks))
        self.share_below = below / len(blocks) if blocks else 0.0
        """The share of blocks through which no gradient has to go."""

    def flops(self, parameter: nn.Parameter) -> float:
        """FLOPs of training for each token and number of a matrix."""
        if parameter.requires_grad:
            return 6.0
        return 4.0 if self._of.get(id(parameter), self._last) >= self._first else 2.0


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
