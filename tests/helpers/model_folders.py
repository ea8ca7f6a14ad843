"""Tiny model folders, whole and damaged, written without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any

BYTES = {"F32": 4, "BF16": 2, "F16": 2, "F8_E4M3": 1, "I32": 4, "U8": 1, "I8": 1}
LLAMA = {
    "model_type": "llama",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "vocab_size": 300,
    "tie_word_embeddings": False,
}


def llama_tensors(layers: int = 2) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of `LLAMA`."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (300, 32)}
    for layer in range(layers):
        start = f"model.layers.{layer}"
        for name, shape in {
            "self_attn.q_proj": (32, 32),
            "self_attn.k_proj": (16, 32),
            "self_attn.v_proj": (16, 32),
            "self_attn.o_proj": (32, 32),
            "mlp.gate_proj": (48, 32),
            "mlp.up_proj": (48, 32),
            "mlp.down_proj": (32, 48),
            "input_layernorm": (32,),
            "post_attention_layernorm": (32,),
        }.items():
            shapes[f"{start}.{name}.weight"] = shape
    return {**shapes, "model.norm.weight": (32,), "lm_head.weight": (300, 32)}


def safetensors(shapes: Mapping[str, tuple[int, ...]], dtype: str = "F32") -> bytes:
    """A file of zeros."""
    header: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        size = prod(shape) * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    return with_header(json.dumps(header).encode(), bytes(end))


def with_header(header: bytes, data: bytes) -> bytes:
    """A safetensors file of these parts, whether or not they are right."""
    return len(header).to_bytes(8, "little") + header + data


def model_folder(
    folder: Path,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
    config: Mapping[str, Any] = LLAMA,
    dtype: str = "F32",
) -> Path:
    """A folder with a configuration and one file of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    shapes = llama_tensors() if shapes is None else shapes
    (folder / "model.safetensors").write_bytes(safetensors(shapes, dtype))
    return folder


def sharded(folder: Path) -> Path:
    """The same folder with two shards and an index."""
    model_folder(folder)
    (folder / "model.safetensors").unlink()
    names = list(llama_tensors())
    weight_map: dict[str, str] = {}
    for number, part in enumerate((names[:9], names[9:]), 1):
        file = f"model-{number:05d}-of-00002.safetensors"
        shapes = {name: llama_tensors()[name] for name in part}
        (folder / file).write_bytes(safetensors(shapes))
        weight_map |= dict.fromkeys(part, file)
    write_index(folder, {"metadata": {}, "weight_map": weight_map})
    return folder


def write_index(folder: Path, index: object) -> None:
    """The index of a folder with shards."""
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
