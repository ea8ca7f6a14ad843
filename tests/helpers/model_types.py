"""Tiny configurations of many model types, and whether they can be trained."""

from __future__ import annotations

from typing import Any

_WIDE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 64,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
_GROUPED = {**_WIDE, "num_key_value_heads": 2}
_HEADS = {**_GROUPED, "head_dim": 8}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
_LATENT = {
    **_WIDE,
    "num_key_value_heads": 4,
    "q_lora_rank": 16,
    "kv_lora_rank": 8,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_group": 1,
    "topk_group": 1,
    "moe_intermediate_size": 16,
    "first_k_dense_replace": 1,
}
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "vocab_size": 64}
_ENDS = {"bos_token_id": 0, "eos_token_id": 0}

TRAINABLE: dict[str, dict[str, Any]] = {
    "gpt_neox": _WIDE,
    "llama": _GROUPED,
    "gpt2": {**_GPT2, **_ENDS},
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 2,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 1]],
        "vocab_size": 64,
        "max_position_embeddings": 64,
        **_ENDS,
    },
    "gptj": {**_GPT2, "rotary_dim": 4, **_ENDS},
    "codegen": {**_GPT2, "rotary_dim": 4, **_ENDS},
    "gpt_bigcode": {**_GPT2, **_ENDS},
    "opt": {
        **_WIDE,
        "ffn_dim": 48,
        "word_embed_proj_dim": 32,
    },
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 64, **_ENDS},
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4, "max_seq_len": 64, "vocab_size": 64},
    "falcon": {**_WIDE, "num_kv_heads": 4},
    "mistral": _HEADS,
    "mixtral": {**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2},
    "qwen2": _GROUPED,
    "qwen2_moe": {**_GROUPED, **_EXPERTS, "shared_expert_intermediate_size": 16},
    "qwen3": _HEADS,
    "qwen3_moe": {**_HEADS, **_EXPERTS},
    "olmo": _GROUPED,
    "olmo2": _GROUPED,
    "olmo3": _GROUPED,
    "olmoe": {**_GROUPED, "num_experts": 4, "num_experts_per_tok": 2},
    "gemma": _HEADS,
    "gemma2": _HEADS,
    "gemma3_text": _HEADS,
    "phi": _GROUPED,
    "phi3": _GROUPED,
    "starcoder2": _GROUPED,
    "stablelm": _GROUPED,
    "cohere": _GROUPED,
    "cohere2": _GROUPED,
    "granite": _GROUPED,
    "granitemoe": {**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2},
    "glm": _HEADS,
    "glm4": _HEADS,
    "gpt_oss": {**_HEADS, "num_local_experts": 4, "num_experts_per_tok": 2},
    "smollm3": _GROUPED,
    "deepseek_v2": {**_LATENT, "topk_method": "greedy"},
    "deepseek_v3": _LATENT,
    "nemotron": {**_HEADS},
    "persimmon": _WIDE,
    "biogpt": _WIDE,
    "xglm": {
        "d_model": 32,
        "num_layers": 2,
        "attention_heads": 4,
        "ffn_dim": 48,
        "vocab_size": 64,
        "max_position_embeddings": 64,
    },
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "vocab_size": 64},
    "mamba2": {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "state_size": 4,
        "num_heads": 8,
        "head_dim": 8,
        "n_groups": 1,
        "chunk_size": 8,
        "vocab_size": 64,
    },
    "falcon_mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 4, "vocab_size": 64},
    "rwkv": {
        "hidden_size": 32,
        "attention_hidden_size": 32,
        "num_hidden_layers": 2,
        "vocab_size": 64,
        "context_length": 64,
    },
    "recurrent_gemma": {
        "hidden_size": 32,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "intermediate_size": 48,
        "lru_width": 32,
        "vocab_size": 64,
    },
    "bert": {**_WIDE, "is_decoder": True},
    "roberta": {**_WIDE, "is_decoder": True},
}
"""Fields by model type. Each of these models trains."""

NOT_CAUSAL = ("bert", "roberta", "xlm-roberta", "camembert", "electra", "ernie", "rembert")
PHIMOE = {"model_type": "phimoe", **_GROUPED, "num_local_experts": 4}
"""A model whose router draws experts while it trains, and needs its noise for it."""
ENCODER_DECODERS = ("t5", "bart", "pegasus", "marian", "whisper")
WITHOUT_HEAD = ("vit", "clip", "hubert", "distilbert")

GEMMA3: dict[str, Any] = {
    "model_type": "gemma3",
    "text_config": {**_HEADS, "model_type": "gemma3_text"},
    "vision_config": {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 28,
        "patch_size": 14,
        "model_type": "siglip_vision_model",
    },
    "mm_tokens_per_image": 4,
    "image_token_index": 63,
    "boi_token_index": 62,
    "eoi_token_index": 61,
}
"""A model with a vision tower, to which text alone sends no gradient."""


def configuration(kind: str, **changes: Any) -> dict[str, Any]:
    """The complete configuration of a tiny model."""
    return {"model_type": kind, **TRAINABLE.get(kind, _WIDE), **changes}
