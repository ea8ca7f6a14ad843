"""A small configuration of the same kind: what a model does can be tried on it in a moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import torch
import transformers

from raycl.train.model.architecture import hugging_face_config
from raycl.train.model.attention import built_with

Shown = TypeVar("Shown")

_SMALL, _LARGE = 5_000_000, 150_000_000
"""Models up to the first size are tried as they are; up to the second, where no small one works."""

_SIZES = {
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 16,
    "vocab_size": 128,
}
"""Fields under the names of most classes; others are reached through their attribute maps."""
_AT_MOST = {
    "num_key_value_heads": 2,
    "num_attention_heads_kv": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "num_experts": 4,
    "num_local_experts": 4,
    "n_routed_experts": 4,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_topk": 2,
    "moe_k": 2,
    "n_group": 1,
    "topk_group": 1,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "q_lora_rank": 32,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 16,
    "v_head_dim": 16,
    "vocab_size_per_layer_input": 128,
    "hidden_size_per_layer_input": 16,
    "ffn_dim": 64,
    "word_embed_proj_dim": 64,
    "lru_width": 64,
    "rotary_dim": 8,
    "chunk_size": 16,
    "mamba_chunk_size": 16,
    "mamba_d_state": 8,
    "ssm_state_size": 8,
}
_TOKENS = ("pad_token_id", "bos_token_id", "eos_token_id")


def in_small(
    config: Mapping[str, Any],
    parameters: int,
    trial: Callable[[transformers.PretrainedConfig], Shown],
) -> Shown | None:
    """What the trial shows of a complete configuration; `parameters` is the size of its model.

    The trial of a large model is that of a small one of its kind, and None where no small one could
    be made. Raises what the trial raises for the model's own configuration.
    """
    made = hugging_face_config(config)
    if parameters > _SMALL:
        try:
            return trial(hugging_face_config(shrunk(config, made)))
        except Exception:  # a class may need other sizes than those of `shrunk`
            if parameters > _LARGE:
                return None
    return trial(made)


def built_for_trial(
    config: transformers.PretrainedConfig,
    choices: Sequence[str] = ("sdpa", "eager"),
    within: bool = False,
) -> transformers.PreTrainedModel:
    """A float32 model of the configuration, with weights that its class draws.

    `choices` and `within` are those of `built_with`.
    """

    def build(attention: str) -> transformers.PreTrainedModel:
        model: transformers.PreTrainedModel = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation=attention, dtype=torch.float32, trust_remote_code=False
        )
        return model

    return built_with(config, choices, build, within)


def draw_common_weights(model: transformers.PreTrainedModel) -> None:
    """Weights of a common size: a class may begin with zeros, which would hide what follows."""
    for parameter in model.parameters():
        parameter.normal_(0.0, 0.1)
        if parameter.ndim < 2:
            parameter.add_(1.0)


def shrunk(config: Mapping[str, Any], made: transformers.PretrainedConfig) -> dict[str, Any]:
    """The fields of a small model: two layers, or one of each kind that the configuration has.

    `made` is the object of the configuration, whose fields tell which sizes its class has.
    """
    small = {**config, **_sizes(made)}
    layers = _layers(made)
    if layers is not None:
        for name, value in made.to_dict().items():
            if isinstance(value, list) and len(value) == _layer_count(made):
                small[name] = [value[index] for index in layers]
        small[_own_name(made, "num_hidden_layers")] = len(layers)
    small |= {name: 0 for name in _TOKENS if isinstance(value_of(made, name), int)}
    for name, part in vars(made).items():
        if isinstance(part, transformers.PretrainedConfig):
            given = config.get(name)
            small[name] = shrunk(given if isinstance(given, Mapping) else {}, part)
    return small


def value_of(config: Any, field: str) -> Any:
    """A field of a configuration's object; None where it has none.

    Some classes raise errors of their own for a field that differs between layers.
    """
    try:
        return getattr(config, field, None)
    except Exception:
        return None


def _own_name(made: transformers.PretrainedConfig, field: str) -> str:
    return str(made.attribute_map.get(field, field))


def _sizes(made: transformers.PretrainedConfig) -> dict[str, int]:
    found = dict(_fields(made, _SIZES))
    for name, most in _fields(made, _AT_MOST):
        found[name] = min(most, int(value_of(made, name)))
    heads = value_of(made, "num_attention_heads")
    for name in ("num_key_value_heads", "num_kv_heads"):
        if isinstance(own := value_of(made, name), int):
            found[_own_name(made, name)] = 4 if own == heads else min(own, 2)
    return found


def _fields(
    made: transformers.PretrainedConfig, sizes: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    for field, size in sizes.items():
        own = value_of(made, field)
        if isinstance(own, int) and not isinstance(own, bool) and own and _can_be_set(made, field):
            yield _own_name(made, field), size


def _can_be_set(made: transformers.PretrainedConfig, field: str) -> bool:
    """Whether the field is one of its own, and not computed from others."""
    return not isinstance(getattr(type(made), field, None), property)


def _layer_count(made: transformers.PretrainedConfig) -> int | None:
    count = value_of(made, "num_hidden_layers")
    return count if isinstance(count, int) else None


def _layers(made: transformers.PretrainedConfig) -> list[int] | None:
    """Layers that are kept where they are of several kinds: the first of each, two at least."""
    kinds = value_of(made, "layer_types") or value_of(made, "layers_block_type")
    if not isinstance(kinds, list) or len(kinds) != _layer_count(made):
        return None
    first = sorted({kind: index for index, kind in reversed(list(enumerate(kinds)))}.values())
    return first if len(first) > 1 or len(kinds) == 1 else [0, 1]
