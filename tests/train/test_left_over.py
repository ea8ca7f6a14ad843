"""Tensors of a checkpoint that are no weights of its language model, and are told."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.models.headers import read_headers
from raycl.models.start import TensorHeader
from raycl.plan.model_facts import ModelFacts
from raycl.plan.training import ModelSpec
from raycl.train.inspection.inspect import inspect_model
from raycl.train.start.fill import whole_model
from tests.helpers.model_folders import LLAMA, llama_tensors
from tests.helpers.model_types import configuration


def inspected(config: Mapping[str, Any], tensors: Mapping[str, tuple[int, ...]]) -> ModelFacts:
    headers = {name: TensorHeader("F32", shape) for name, shape in tensors.items()}
    return inspect_model(ModelSpec(config, "identifier"), headers, 16, 60, "my.yaml")


MASKS = {f"model.layers.{layer}.self_attn.attn.bias": (1, 1, 64, 64) for layer in range(2)}


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({}, None),
        ({"v_head.weight": (1, 32)}, "a tensor is no part of a LlamaForCausalLM.*: v_head.weight"),
        (
            {f"vision_tower.{layer}.weight": (8, 8) for layer in range(9)},
            r"9 tensors are no part of .*nor exported: vision_tower\.0\.weight.* 6 more",
        ),
        (MASKS, "2 tensors are not read, since config.json gives their values: model.layers.0"),
    ],
)
def test_parts_beside_the_language_model_are_told(
    tensors: dict[str, tuple[int, ...]], sentence: str | None
) -> None:
    facts = inspected(LLAMA, {**llama_tensors(), **tensors})
    assert len(facts.notes) == (sentence is not None)
    assert sentence is None or re.match(f"my.yaml: {sentence}", facts.notes[0])
    assert facts.token_tables == ("model.embed_tokens.weight", "lm_head.weight")


def test_layers_that_a_class_leaves_out_are_told(tmp_path: Path) -> None:
    """Layer 61 of DeepSeek-V3 predicts further tokens; transformers passes over it."""
    config = configuration("deepseek_v3")
    whole_model(ModelSpec(config), 16, 0).model.save_pretrained(tmp_path)
    headers = {name: header for name, (_, header) in read_headers(tmp_path).items()}
    spec = ModelSpec(json.loads((tmp_path / "config.json").read_text()), "identifier")
    further = "model.layers.61.eh_proj.weight"
    extra = {further: TensorHeader("F32", (32, 64))}
    (note,) = inspect_model(spec, headers | extra, 16, 60, "my.yaml").notes
    assert note.startswith("my.yaml: a tensor is left out by transformers' DeepseekV3ForCausalLM")
    assert note.endswith(further)


def test_a_base_model_has_nothing_beside_it() -> None:
    tensors = {n.removeprefix("model."): s for n, s in llama_tensors().items() if "head" not in n}
    config = {**LLAMA, "tie_word_embeddings": True}
    assert not inspected(config, tensors).notes
    assert inspected(config, tensors).token_tables == ("embed_tokens.weight",)
    with pytest.raises(InputError, match=r"no place for embed_tokens_per_layer\.weight"):
        inspected(config, {**tensors, "embed_tokens_per_layer.weight": (300, 8)})
