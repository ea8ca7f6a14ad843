"""Pretrained models that are damaged, foreign, or no causal language models."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from tests.helpers.workspace import add_base, write
from tests.helpers.workspace import recipe as recipe_data
from tests.malformed.case import Malformed

_WEIGHTS = "base/model.safetensors"


def _base(change: Callable[[Path], object]) -> Callable[[Path], None]:
    """A change of a workspace that has a pretrained model."""

    def changed(folder: Path) -> None:
        add_base(folder)
        change(folder)

    return changed


def _config(**fields: Any) -> Callable[[Path], None]:
    """A change of the model's config.json; None removes a field."""

    def change(folder: Path) -> None:
        path = folder / "base/config.json"
        data = {**json.loads(path.read_text()), **fields}
        path.write_text(json.dumps({key: v for key, v in data.items() if v is not None}))

    return _base(change)


def _weights(edit: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Any:
    """A change of the model's tensors."""

    def change(folder: Path) -> None:
        save_file(edit(load_file(folder / _WEIGHTS)), folder / _WEIGHTS, {"format": "pt"})

    return _base(change)


def _file(path: str, data: bytes | None) -> Callable[[Path], None]:
    """A change that replaces a file by these bytes, or removes it."""

    def change(folder: Path) -> None:
        if data is None:
            (folder / path).unlink()
        else:
            (folder / path).write_bytes(data)

    return _base(change)


def _reference(pretrained: str) -> Callable[[Path], None]:
    """A change of the recipe: it names another model."""
    return _base(lambda folder: write(folder, recipe_data(model={"pretrained": pretrained})))


def malformed_models() -> Iterator[Malformed]:
    """All of them."""
    yield from _references()
    yield from _files()
    yield from _headers()
    yield from _keys()
    yield from _configurations()


def _references() -> Iterator[Malformed]:
    for value in ("./none", "/no/such/folder", "", "~/no-such-model", "a/b/c", "../up", "x" * 300):
        yield Malformed(f"pretrained: {value[:20]!r}", _reference(value), ("pretrained",))
    yield Malformed("a file", _reference("./base/config.json"), ("config.json",))

    def empty(folder: Path) -> None:
        shutil.rmtree(folder / "base")
        (folder / "base").mkdir()

    yield Malformed("an empty folder", _base(empty), ("base",))

    def loop(folder: Path) -> None:
        shutil.rmtree(folder / "base")
        (folder / "base").symlink_to("base")

    yield Malformed("a link to itself", _base(loop), ("base",))


def _files() -> Iterator[Malformed]:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    for name, data in {
        "removed": None,
        "empty": b"",
        "an LFS pointer": pointer,
        "seven bytes": b"\1\0\0\0\0\0\0",
        "zeros": b"\0" * 64,
        "text": b"weights",
        "a pickle": b"\x80\x04K\x01.",
        "a page of HTML": b"<!DOCTYPE html><html>404</html>",
    }.items():
        yield Malformed(f"weights: {name}", _file(_WEIGHTS, data), ("base",))
    for name, data in {
        "removed": None,
        "empty": b"",
        "cut": b'{"model_type": ',
        "a list": b"[]",
        "null": b"null",
        "an LFS pointer": pointer,
        "Latin-1": b'{"model_type": "\xe4"}',
        "deep": b"[" * 100_000,
    }.items():
        yield Malformed(f"config.json: {name}", _file("base/config.json", data), ("config.json",))
    for name, data in {
        "a list": b"[]",
        "no map": b"{}",
        "a missing shard": b'{"weight_map": {"lm_head.weight": "model-1-of-2.safetensors"}}',
        "a path outside": b'{"weight_map": {"lm_head.weight": "../other.safetensors"}}',
        "a map that is a list": b'{"weight_map": []}',
    }.items():

        def change(folder: Path, data: bytes = data) -> None:
            (folder / _WEIGHTS).unlink()
            (folder / "base/model.safetensors.index.json").write_bytes(data)

        yield Malformed(f"index: {name}", _base(change), ("index",))

    def pickles(folder: Path) -> None:
        (folder / _WEIGHTS).rename(folder / "base/pytorch_model.bin")

    yield Malformed("only a pickle", _base(pickles), ("safetensors",))


def _headers() -> Iterator[Malformed]:
    def truncated(folder: Path) -> None:
        data = (folder / _WEIGHTS).read_bytes()
        (folder / _WEIGHTS).write_bytes(data[: len(data) // 2])

    def longer(folder: Path) -> None:
        with (folder / _WEIGHTS).open("ab") as stream:
            stream.write(b"\0" * 100)

    def edited(edit: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            data = (folder / _WEIGHTS).read_bytes()
            (length,) = struct.unpack("<Q", data[:8])
            header = edit(json.loads(data[8 : 8 + length]))
            text = json.dumps(header).encode()
            rest = data[8 + length :]
            (folder / _WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + rest)

        return _base(change)

    first = "lm_head.weight"
    yield Malformed("cut in half", _base(truncated), ("model.safetensors",))
    yield Malformed("too long", _base(longer), ("model.safetensors",))
    for name, edit in {
        "a list": lambda header: list(header),
        "no offsets": lambda header: {**header, first: {"dtype": "F32", "shape": [300, 16]}},
        "negative offsets": lambda header: {
            **header,
            first: {**header[first], "data_offsets": [-8, 8]},
        },
        "offsets beyond the end": lambda header: {
            **header,
            first: {**header[first], "data_offsets": [0, 10**12]},
        },
        "a dtype that is not": lambda header: {**header, first: {**header[first], "dtype": "F7"}},
        "another shape": lambda header: {**header, first: {**header[first], "shape": [1, 16]}},
        "a tensor that is text": lambda header: {**header, first: "weights"},
        "overlapping tensors": lambda header: {
            **header,
            first: {**header[first], "data_offsets": header["model.norm.weight"]["data_offsets"]},
        },
    }.items():
        yield Malformed(f"header: {name}", edited(edit), ("model.safetensors",))


def _renamed(old: str, new: str) -> Any:
    return _weights(
        lambda tensors: {
            (new + key[len(old) :] if key.startswith(old) else key): value
            for key, value in tensors.items()
        }
    )


def _without(part: str) -> Any:
    return _weights(lambda tensors: {k: v for k, v in tensors.items() if part not in k})


def _base_model() -> Any:
    """What `AutoModel` saves: no head, and names without the part `model.`."""
    return _weights(
        lambda tensors: {k.removeprefix("model."): v for k, v in tensors.items() if "head" not in k}
    )


def _keys() -> Iterator[Malformed]:
    yield Malformed("prefix of compile", _renamed("", "_orig_mod."), ("_orig_mod.",))
    yield Malformed("prefix of DDP", _renamed("", "module."), ("module.",))
    yield Malformed("no head", _without("lm_head"), ("lm_head.weight",))
    yield Malformed("no embedding", _without("embed_tokens"), ("embed_tokens",))
    yield Malformed("no second layer", _without("layers.1."), ("layers.1.",))
    yield Malformed("no norm", _without("model.norm"), ("norm",))
    yield Malformed("a base model", _base_model(), ("lm_head.weight",))
    yield Malformed("another architecture", _renamed("model.", "transformer.h."), ("base",))
    yield Malformed("no tensors", _weights(lambda _: {}), ("base",))
    extra = np.zeros((2, 2), np.float32)
    yield Malformed(
        "an extra layer",
        _weights(lambda tensors: {**tensors, "model.layers.2.mlp.up_proj.weight": extra}),
        ("layers.2",),
    )
    yield Malformed(
        "an adapter",
        _weights(
            lambda tensors: {**tensors, "model.layers.0.self_attn.q_proj.lora_A.weight": extra}
        ),
        ("lora",),
    )
    yield Malformed(
        "a tied head with values of its own",
        _config(tie_word_embeddings=True),
        ("lm_head.weight", "tie_word_embeddings"),
    )
    yield Malformed(
        "an adapter beside the model",
        _file("base/adapter_config.json", b"{}"),
        ("adapter_config.json", "merge_and_unload"),
    )
    yield Malformed(
        "another width",
        _weights(lambda tensors: {**tensors, "lm_head.weight": np.zeros((300, 8), np.float32)}),
        ("lm_head.weight",),
    )
    yield Malformed(
        "whole numbers",
        _weights(lambda tensors: {**tensors, "lm_head.weight": np.zeros((300, 16), np.int8)}),
        ("lm_head.weight",),
    )


def _configurations() -> Iterator[Malformed]:
    for name, fields, says in (
        ("no model type", {"model_type": None}, "model_type"),
        ("an unknown model type", {"model_type": "klingon"}, "klingon"),
        ("an encoder", {"model_type": "bert"}, "bert"),
        ("another encoder", {"model_type": "roberta"}, "roberta"),
        ("an encoder and a decoder", {"model_type": "t5"}, "t5"),
        (
            "code of its own",
            {"model_type": "mine", "auto_map": {"AutoModelForCausalLM": "m.Model"}},
            "code of its own",
        ),
        ("GPTQ", {"quantization_config": {"quant_method": "gptq", "bits": 4}}, "gptq"),
        ("bitsandbytes", {"quantization_config": {"load_in_4bit": True}}, "quant"),
        ("fp8", {"quantization_config": {"quant_method": "fp8"}}, "fp8"),
        ("three layers", {"num_hidden_layers": 3}, "layers.2"),
        ("one layer", {"num_hidden_layers": 1}, "layers.1"),
        ("a width that the weights do not have", {"hidden_size": 32}, "hidden_size"),
        ("a width of text", {"hidden_size": "wide"}, "hidden_size"),
        ("no heads", {"num_attention_heads": 0}, "heads"),
        ("three heads", {"num_attention_heads": 3}, "heads"),
        ("eight positions", {"max_position_embeddings": 8}, "sequence_length"),
        ("fewer tokens than the tokenizer", {"vocab_size": 200}, "200"),
        ("more tokens than its embedding", {"vocab_size": 400}, "400"),
    ):
        words = ("base",) if says in ("hidden_size", "heads") else (says,)
        yield Malformed(name, _config(**fields), words)
