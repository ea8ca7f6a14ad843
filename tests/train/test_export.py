"""Exported models: what `save_pretrained` writes, in files of bounded size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from raycl.plan.training import ModelSpec
from raycl.states.mark import StateMark
from raycl.storage import Storage
from raycl.train.checkpoint.export import export_hugging_face
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.model.language_model import save_hugging_face
from raycl.train.parallel.world import World
from raycl.train.start.fill import whole_model
from tests.helpers.state_marks import state_mark

NAME = "000000004-" + "a" * 32
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 64}
LLAMA = {"model_type": "llama", "intermediate_size": 32, **SMALL}
CONFIGS: dict[str, dict[str, Any]] = {
    "gpt_neox": {"model_type": "gpt_neox", "intermediate_size": 32, **SMALL},
    "llama, tied": {**LLAMA, "tie_word_embeddings": True},
    "experts": {
        **LLAMA,
        "model_type": "mixtral",
        "num_local_experts": 2,
        "num_key_value_heads": 2,
    },
}


def stored(folder: Path, config: dict[str, Any]) -> Storage:
    """A storage with a state of this model, of random weights."""
    storage, spec = Storage(folder), ModelSpec(config, initialization="transformers")
    mark: StateMark = state_mark(NAME, model=spec)
    writer = StateWriter(storage, World(0, 1, torch.device("cpu")), keep_last=1)
    model = whole_model(spec, 8, 5)
    writer.save(NAME, named_tensors(model, None), mark, {"history.parquet": b""}, kept=True)
    writer.wait()
    return storage


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_it_equals_what_save_pretrained_writes(tmp_path: Path, config: dict[str, Any]) -> None:
    storage, out, whole = stored(tmp_path / "storage", config), tmp_path / "out", tmp_path / "whole"
    export_hugging_face(storage, NAME, out)
    model = load_model(storage, read_state(storage, NAME), 8)
    save_hugging_face(model, whole, 10**9)
    assert {file.name for file in out.iterdir()} == {file.name for file in whole.iterdir()}
    for file in ("config.json", "generation_config.json"):
        assert (out / file).read_text() == (whole / file).read_text()
    found, expected = (
        transformers.AutoModelForCausalLM.from_pretrained(folder).state_dict()
        for folder in (out, whole)
    )
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_files_have_a_bounded_size(tmp_path: Path) -> None:
    storage, out = stored(tmp_path / "storage", CONFIGS["gpt_neox"]), tmp_path / "out"
    export_hugging_face(storage, NAME, out, file_bytes=10_000)
    files = sorted(file.name for file in out.glob("*.safetensors"))
    assert len(files) > 2
    assert files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    assert all((out / file).stat().st_size < 12_000 for file in files)
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(files)
    model = transformers.AutoModelForCausalLM.from_pretrained(out)
    expected = load_model(storage, read_state(storage, NAME), 8).model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_no_model_is_built_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = stored(tmp_path / "storage", CONFIGS["llama, tied"])
    monkeypatch.delattr("raycl.train.checkpoint.export.load_model")
    export_hugging_face(storage, NAME, tmp_path / "out")
    assert (tmp_path / "out/model.safetensors").exists()
