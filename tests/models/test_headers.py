"""What a model folder holds, by its files alone; each damage is told with the file and a remedy."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.models.headers import INDEX, SINGLE, read_config, read_headers
from raycl.models.quantization import check_quantization
from raycl.models.start import TensorHeader
from tests.helpers.model_folders import (
    LLAMA,
    llama_tensors,
    model_folder,
    safetensors,
    sharded,
    with_header,
    write_index,
)

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"
SHARD = "model-00002-of-00002.safetensors"


def test_one_file_and_shards_hold_the_same(tmp_path: Path) -> None:
    whole, parts = read_headers(model_folder(tmp_path / "a")), read_headers(sharded(tmp_path / "b"))
    assert {name: header for name, (_, header) in whole.items()} == {
        name: header for name, (_, header) in parts.items()
    }
    assert whole["lm_head.weight"][1] == TensorHeader("F32", (300, 32))
    assert parts["lm_head.weight"][0] == tmp_path / "b" / SHARD
    assert read_config(tmp_path / "a") == LLAMA


def _header(change: Callable[[dict[str, Any]], None]) -> bytes:
    """A file of two tensors whose header was changed."""
    header = {
        "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "b": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
    }
    change(header)
    return with_header(json.dumps(header).encode(), bytes(12))


FILES: dict[str, tuple[bytes, str]] = {
    "a pointer of Git LFS": (POINTER, "Git LFS.*git lfs pull"),
    "empty": (b"", "empty"),
    "three bytes": (b"abc", "truncated: 3 of"),
    "header cut": (safetensors(llama_tensors())[:100], "truncated: 100 of"),
    "data cut": (safetensors(llama_tensors())[:-5], "truncated"),
    "a page of HTML": (b"<!DOCTYPE html><html><head></head></html>", "not a safetensors file"),
    "a pickle": (b"PK\x03\x04" + bytes(60), "a pickle"),
    "a GGUF file": (b"GGUF" + bytes(60), "GGUF"),
    "bytes behind": (safetensors(llama_tensors()) + b"12345", "5 bytes follow"),
    "no JSON": (with_header(b"{nonsense", b""), "header cannot be read"),
    "nested deeply": (with_header(b"[" * 20_000, b""), "header cannot be read"),
    "a list": (with_header(b"[]", b""), "not a list of tensors"),
    "a name twice": (
        with_header(b'{"a": {}, "a": {}}', b""),
        "header cannot be read .a tensor is named twice",
    ),
    "no entry": (_header(lambda h: h.update(a=3)), "entry of tensor a"),
    "unknown type": (_header(lambda h: h["a"].update(dtype="F7")), "entry of tensor a"),
    "negative shape": (_header(lambda h: h["a"].update(shape=[-2])), "entry of tensor a"),
    "true as a size": (_header(lambda h: h["b"].update(shape=[True])), "entry of tensor b"),
    "one offset": (_header(lambda h: h["a"].update(data_offsets=[0])), "entry of tensor a"),
    "overlap": (_header(lambda h: h["b"].update(data_offsets=[4, 8])), "tensor b overlap"),
    "gap": (_header(lambda h: h["b"].update(data_offsets=[9, 13])), "tensor b begin after a gap"),
    "other size": (_header(lambda h: h["a"].update(shape=[3])), "tensor a has 8 bytes"),
    "beyond the end": (
        _header(lambda h: h["b"].update(shape=[100], data_offsets=[8, 408])),
        "truncated: 12 of the 408 bytes",
    ),
    "no tensors": (with_header(b"{}", b""), "it holds no tensor"),
    "fp8": (safetensors(llama_tensors(), "F8_E4M3"), "quantised"),
    "int8": (safetensors(llama_tensors(), "I8"), "quantised"),
    "packed bytes": (safetensors(llama_tensors(), "U8"), "quantised"),
    "GPTQ": (safetensors({"model.layers.0.mlp.up_proj.qweight": (4, 4)}, "I32"), "GPTQ"),
    "bitsandbytes": (safetensors({"a.weight.quant_state.bitsandbytes__nf4": (4,)}, "U8"), "bitsan"),
    "FP8 scales": (safetensors({"a.weight_scale_inv": (4,)}), "FP8"),
    "MXFP4": (safetensors({"mlp.experts.gate_up_proj_blocks": (4,)}, "U8"), "MXFP4"),
    "integers": (safetensors({"model.norm.weight": (32,)}, "I32"), "no gradient"),
}


@pytest.mark.parametrize("kind", FILES)
def test_damaged_and_foreign_files_are_named(kind: str, tmp_path: Path) -> None:
    content, problem = FILES[kind]
    one, parts = model_folder(tmp_path / "one"), sharded(tmp_path / "parts")
    for file in (one / SINGLE, parts / SHARD):
        file.write_bytes(content)
        with pytest.raises(InputError, match=problem) as raised:
            read_headers(file.parent)
        assert str(file) in raised.value.where
        assert raised.value.remedy


def _without_weights(folder: Path, *others: str) -> Path:
    (model_folder(folder) / SINGLE).unlink()
    for name in others:
        (folder / name).write_bytes(b"x")
    return folder


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("pytorch_model.bin", "pickles"),
        ("pytorch_model.bin.index.json", "pickles"),
        ("consolidated.00.pth", "Meta's own form"),
        ("model.pt", "pickles"),
        ("adapter_model.safetensors", "an adapter"),
        ("model-00001-of-00002.safetensors", "index.json is missing"),
        ("consolidated.safetensors", "own form"),
        ("weights.safetensors", "no file is called model.safetensors"),
        ("model-q4.gguf", "GGUF"),
        ("tf_model.h5", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        ("README.md", "no weights"),
    ],
)
def test_folders_without_readable_weights(file: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=problem):
        read_headers(_without_weights(tmp_path, file))


def test_an_adapter_beside_a_model(tmp_path: Path) -> None:
    """Whether transformers adds it depends on whether `peft` is installed."""
    (model_folder(tmp_path) / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"adapter_config\.json: an adapter .*merge_and_unload"):
        read_headers(tmp_path)


def test_a_folder_that_is_none_and_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_headers(tmp_path / "none")
    dangling = _without_weights(tmp_path / "dangling")
    (dangling / SINGLE).symlink_to("nowhere")
    (loop := _without_weights(tmp_path / "loop") / SINGLE).symlink_to(loop)
    inside = _without_weights(tmp_path / "folder")
    (inside / SINGLE).mkdir()
    for folder in (dangling, loop.parent, inside):
        with pytest.raises(InputError, match="cannot be read"):
            read_headers(folder)


INDEXES: dict[str, tuple[Any, str]] = {
    "a list": ([], "not a JSON object"),
    "no map": ({}, "no weight_map"),
    "empty map": ({"weight_map": {}}, "no weight_map"),
    "map of lists": ({"weight_map": {"a": ["b"]}}, "not a name in this folder"),
    "another folder": ({"weight_map": {"a": "../model.safetensors"}}, "not a name in this folder"),
    "no shard": ({"weight_map": {"a": "model-00009-of-00009.safetensors"}}, "shard .* is missing"),
    "no tensor": ({"weight_map": {"a": SHARD}}, "names tensor a, which is not in"),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_an_index_that_does_not_fit(kind: str, tmp_path: Path) -> None:
    index, problem = INDEXES[kind]
    write_index(sharded(tmp_path), index)
    with pytest.raises(InputError, match=problem) as raised:
        read_headers(tmp_path)
    assert INDEX in raised.value.where


def test_a_tensor_in_two_shards_and_a_missing_shard(tmp_path: Path) -> None:
    twice = sharded(tmp_path / "twice")
    (twice / SHARD).write_bytes(safetensors(llama_tensors()))
    with pytest.raises(InputError, match=r"is in model-00001.* as well"):
        read_headers(twice)
    os.remove(sharded(tmp_path / "missing") / SHARD)
    with pytest.raises(InputError, match=f"shard {SHARD} is missing"):
        read_headers(tmp_path / "missing")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 20_000, "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "no model_type"),
        ('{"model_type": 3}', "no model_type"),
        (POINTER.decode(), "Git LFS"),
        (
            '{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}',
            r"quantised \(gptq\)",
        ),
    ],
)
def test_configurations_that_cannot_be_used(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_config(tmp_path)
    with pytest.raises(InputError, match=r"no config\.json"):
        read_config(tmp_path / "none")


def test_quantised_parts_are_found() -> None:
    nested = {"text_config": {"compression_config": {"quant_method": "compressed-tensors"}}}
    with pytest.raises(InputError, match=r"m: text_config: compression_config.*dequantize"):
        check_quantization(nested, "m")
    check_quantization({"quantization_config": None, "text_config": {}}, "m")
