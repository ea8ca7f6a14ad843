"""Model sizes by name, and closed forms of their parameters and FLOPs; torch is not imported.

The GPT-NeoX sizes are the paper's (§2): 49M and 3B are its authors' test sizes, 405M and 9.6B its
experiments. llama-1b and llama-8b are the sizes of Llama 3: they have 1,235,814,400 and
8,030,261,248 parameters at its vocabulary of 128,256. A preset has no `vocab_size`, because the
tokenizer decides it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _gpt_neox(layers: int, hidden: int, heads: int) -> dict[str, Any]:
    return {
        "model_type": "gpt_neox",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        "max_position_embeddings": 2048,
        "hidden_act": "gelu",
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.25,
        },
        "use_parallel_residual": True,
        "attention_bias": True,
        "attention_dropout": 0.0,
        "hidden_dropout": 0.0,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": None,
    }


def _llama(layers: int, hidden: int, heads: int, intermediate: int, tied: bool) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "intermediate_size": intermediate,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": tied,
        "bos_token_id": None,
        "eos_token_id": None,
    }


def _llama_3(layers: int, hidden: int, intermediate: int, tied: bool) -> dict[str, Any]:
    """Llama 3 has 32 heads that share 8 keys and values, and 8,192 positions."""
    return {
        **_llama(layers, hidden, 32, intermediate, tied),
        "num_key_value_heads": 8,
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
    }


PRESETS: Mapping[str, Mapping[str, Any]] = {
    "gpt-neox-tiny": _gpt_neox(4, 128, 4),
    "gpt-neox-tiny-wide": _gpt_neox(6, 192, 6),
    "gpt-neox-49m": _gpt_neox(10, 640, 10),
    "gpt-neox-405m": _gpt_neox(24, 1024, 16),
    "gpt-neox-3b": _gpt_neox(32, 3072, 24),
    "gpt-neox-9.6b": _gpt_neox(36, 4608, 36),
    "llama-tiny": _llama(4, 128, 4, 352, tied=False),
    "llama-135m": _llama(30, 576, 9, 1536, tied=True),
    "llama-1b": _llama_3(16, 2048, 8192, tied=True),
    "llama-8b": _llama_3(32, 4096, 14336, tied=False),
}


def parameter_count(config: Mapping[str, Any]) -> int:
    """Parameters of a `gpt_neox` or `llama` configuration, embeddings included.

    GPT-NeoX has 12h² + 13h parameters in a layer whose FFN is 4h wide, 2h in the final norm, and
    two vocabulary matrices.
    Raises ValueError for another model type.
    """
    hidden, vocabulary = config["hidden_size"], config["vocab_size"]
    matrices = 1 if config.get("tie_word_embeddings") else 2
    return block_parameters(config) + int(matrices * vocabulary * hidden)


def block_parameters(config: Mapping[str, Any]) -> int:
    """Parameters of all layers and of the final norm, without the vocabulary matrices."""
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    inner = config["intermediate_size"]
    if config["model_type"] == "gpt_neox":
        layer = 4 * hidden**2 + 2 * hidden * inner + inner + 9 * hidden
        return int(layers * layer + 2 * hidden)
    if config["model_type"] == "llama":
        heads = config["num_attention_heads"]
        keys = config.get("num_key_value_heads", heads) * (hidden // heads)
        layer = 2 * hidden**2 + 2 * hidden * keys + 3 * hidden * inner + 2 * hidden
        return int(layers * layer + hidden)
    raise ValueError(f"no closed form for model type {config['model_type']!r}")


def flops_per_token(config: Mapping[str, Any], sequence_length: int) -> float:
    """Training FLOPs per token: 6 for each weight in a matrix product, and those of attention.

    The input embedding is a look-up and costs nothing; the output matrix is a product and counts.
    Full attention would cost 12 · layers · hidden · sequence_length; causal attention costs half.
    """
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    weights = block_parameters(config) + int(config["vocab_size"] * hidden)
    return float(6.0 * weights + 6.0 * layers * hidden * sequence_length)
