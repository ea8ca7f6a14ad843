"""Small checkpoints of pretrained models, written byte by byte: neither torch nor a library."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

Tensors = Mapping[str, tuple[str, tuple[int, ...], bytes]]
"""Type, shape and bytes of each tensor by name."""

CONFIG: Mapping[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "vocab_size": 64,
    "attention_dropout": 0.1,
    "torch_dtype": "float32",
    "transformers_version": "4.57.1",
}


def small_tensors(
    seed: int = 0, vocabulary: int = 64
) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """The tensors of the model of `CONFIG`, of random bytes that are all finite numbers."""
    draw = random.Random(seed)
    layer = "model.layers.0."
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, 8),
        **{f"{layer}self_attn.{part}_proj.weight": (8, 8) for part in "qkvo"},
        **{f"{layer}mlp.{part}_proj.weight": (16, 8) for part in ("gate", "up")},
        f"{layer}mlp.down_proj.weight": (8, 16),
        f"{layer}input_layernorm.weight": (8,),
        f"{layer}post_attention_layernorm.weight": (8,),
        "model.norm.weight": (8,),
        "lm_head.weight": (vocabulary, 8),
    }
    return {name: ("F32", shape, _finite(draw, prod(shape))) for name, shape in shapes.items()}


def _finite(draw: random.Random, count: int) -> bytes:
    """So many random float32: the exponent of none is all ones."""
    data = bytearray(draw.randbytes(4 * count))
    data[3::4] = bytes(byte & 0xBF for byte in data[3::4])
    return bytes(data)


def write_checkpoint(
    folder: Path,
    tensors: Tensors | None = None,
    config: Mapping[str, Any] | None = None,
    shards: int = 1,
    order: Sequence[str] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """A folder with config.json and the tensors (by default `small_tensors`) in so many files."""
    folder.mkdir(parents=True, exist_ok=True)
    config = CONFIG if config is None else config
    (folder / "config.json").write_text(json.dumps(dict(config)))
    if tensors is None:
        tensors = small_tensors(vocabulary=config.get("vocab_size", 64))
    names = [*(order or ()), *(name for name in tensors if name not in (order or ()))]
    if shards == 1:
        files = {"model.safetensors": names}
    else:
        parts = [names[number::shards] for number in range(shards)]
        files = {f"model-{n + 1:05d}-of-{shards:05d}.safetensors": p for n, p in enumerate(parts)}
        weight_map = {name: file for file, part in files.items() for name in part}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    for file, part in files.items():
        (folder / file).write_bytes(safetensors_bytes({n: tensors[n] for n in part}, metadata))
    return folder


def safetensors_bytes(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a safetensors file."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [end, end + len(data)],
        }
        end += len(data)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(data for *_, data in tensors.values())


def usable_checkpoint(folder: Path, seed: int = 0) -> Path:
    """A checkpoint of small weights: random bytes would be no numbers to train."""
    draw = random.Random(seed)
    tensors = {
        name: (kind, shape, struct.pack(f"<{prod(shape)}f", *_numbers(draw, name, prod(shape))))
        for name, (kind, shape, _) in small_tensors().items()
    }
    return write_checkpoint(folder, tensors)


def _numbers(draw: random.Random, name: str, count: int) -> list[float]:
    return [1.0] * count if "norm" in name else [draw.gauss(0, 0.02) for _ in range(count)]
