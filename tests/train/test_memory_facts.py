"""What a forward pass keeps: counted on the meta device, in closed form, and really kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
import torch

from raycl.plan.memory import MemoryFacts
from raycl.plan.memory_forms import memory_facts
from raycl.plan.presets import PRESETS, parameter_count
from raycl.train.inspection.memory_facts import count_memory
from raycl.train.model.architecture import hugging_face_config
from tests.helpers.model_types import TRAINABLE

LENGTH = 320  # no size of the models below, so that no tensor is taken for another


def _counted(config: dict[str, Any], length: int = LENGTH) -> MemoryFacts:
    found = count_memory(hugging_face_config(config), (), length)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gpt-neox-49m", {}),
        ("gpt-neox-49m", {"use_parallel_residual": False}),
        ("llama-135m", {}),
        ("llama-1b", {}),
    ],
)
def test_closed_forms_are_what_is_counted(name: str, changes: dict[str, Any]) -> None:
    config = {**PRESETS[name], "vocab_size": 5000, **changes}
    form, counted = memory_facts(config, LENGTH), _counted(config)
    assert form.units == counted.units
    assert sum(form.units) == parameter_count(config)
    for key, kept in counted.activations.items():
        # The rotary angles, which all layers share, are not in the closed form.
        assert asdict(form.activations[key]) == pytest.approx(asdict(kept), rel=0.02), key


@pytest.mark.parametrize("kind", sorted(TRAINABLE))
def test_all_model_types_are_counted(kind: str) -> None:
    facts = _counted({"model_type": kind, **TRAINABLE[kind]}, 16)
    for kept in facts.activations.values():
        assert 0 < kept.inputs <= kept.selective <= kept.blocks
        assert kept.largest >= kept.blocks / (len(facts.units) - 2)
        assert kept.whole <= kept.blocks


def test_a_model_with_a_soft_cap_has_eager_attention_alone() -> None:
    facts = _counted({"model_type": "gemma2", **TRAINABLE["gemma2"]}, 16)
    assert facts.of("float32", "auto") == facts.activations["float32 eager"]
    assert facts.chunked  # the loss knows the cap of its head


def test_rows_of_a_state_space_model_follow_from_short_ones() -> None:
    config = {"model_type": "mamba", **TRAINABLE["mamba"], "num_hidden_layers": 1}
    long, direct = _counted(config, 300), _counted(config, 256)
    kept, half = long.activations["float32 eager"], direct.activations["float32 eager"]
    assert kept.blocks == pytest.approx(half.blocks * 300 / 256, rel=0.02)


def test_counting_leaves_the_default_device_alone() -> None:
    _counted({"model_type": "llama", **TRAINABLE["llama"]}, 16)
    assert torch.zeros(1).device.type == "cpu"
