"""Models without bytes that are filled: they are the models that transformers builds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from transformers.models.llama.modeling_llama import LlamaPreTrainedModel

from raycl.models.store import folder_weights
from raycl.plan.training import ModelSpec
from raycl.train.model.architecture import hugging_face_config
from raycl.train.model.dropout import silence_configuration
from raycl.train.model.empty import materialize
from raycl.train.model.language_model import empty_model
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import GEMMA3, TRAINABLE, configuration

CPU = torch.device("cpu")
KINDS = [*TRAINABLE, "gemma3"]


def config_of(kind: str) -> dict[str, Any]:
    return GEMMA3 if kind == "gemma3" else configuration(kind)


def usual(kind: str) -> transformers.PreTrainedModel:
    """The model as transformers builds it, with weights of its class."""
    config = hugging_face_config(config_of(kind))
    silence_configuration(config)
    with torch.random.fork_rng():
        torch.manual_seed(7)
        model: transformers.PreTrainedModel = transformers.AutoModelForCausalLM.from_config(config)
    return model


def named(model: nn.Module) -> dict[str, torch.Tensor]:
    return dict(model.named_parameters(remove_duplicate=False))


def tied(model: nn.Module) -> list[str]:
    """Names under which parameters occur again."""
    return sorted(named(model).keys() - dict(model.named_parameters()).keys())


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_model_is_the_usual_one_without_bytes(kind: str) -> None:
    expected, model = usual(kind), empty_model(ModelSpec(config_of(kind)), 16).model
    for _ in range(2):
        assert {n: p.shape for n, p in named(model).items()} == {
            n: p.shape for n, p in named(expected).items()
        }
        assert tied(model) == tied(expected)
        buffers = dict(model.named_buffers())
        assert buffers.keys() == dict(expected.named_buffers()).keys()
        for name, buffer in expected.named_buffers():
            assert torch.equal(buffers[name], buffer), name
        assert model.state_dict().keys() == expected.state_dict().keys()
        materialize(model, CPU)  # and so it is afterwards
    assert all(p.device == CPU for p in model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_a_class_are_drawn_as_the_class_does(kind: str) -> None:
    spec = ModelSpec(config_of(kind), initialization="transformers")
    one, same, other = (whole_model(spec, 16, seed).model for seed in (0, 0, 1))
    expected = named(usual(kind))
    for name, weight in named(one).items():
        assert torch.equal(weight, named(same)[name]), name
        if torch.equal(weight, named(other)[name]):
            assert torch.equal(weight, expected[name]), name
            continue
        assert not torch.equal(weight, expected[name]), name
        spread = float(expected[name].detach().std())
        error = 5 / max(weight.numel(), 2) ** 0.5
        assert abs(float(weight.detach().std()) / spread - 1) < error, name
        assert abs(float((weight - expected[name]).detach().mean())) < 2 * error * spread, name


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_is_read_as_transformers_reads_it(kind: str, tmp_path: Path) -> None:
    """Some kinds store experts one by one, or under other names than those of the model."""
    saved: Any = usual(kind)
    saved.to(torch.bfloat16).save_pretrained(tmp_path)
    spec = ModelSpec(config_of(kind), "identifier")
    read = whole_model(spec, 16, folder_weights(tmp_path)).model.state_dict()
    expected = type(saved).from_pretrained(tmp_path, dtype=torch.float32).state_dict()
    assert read.keys() == expected.keys()
    for name, values in expected.items():
        assert values.dtype == read[name].dtype
        assert torch.equal(read[name], values), name


def test_a_class_that_cannot_be_drawn_by_units_is_drawn_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One rule leaves a weight as it is made; the other reaches from a container into a block."""
    rules: Any = LlamaPreTrainedModel._init_weights

    def leaves(self: nn.Module, module: nn.Module) -> None:
        if not isinstance(module, nn.Linear):
            rules(self, module)

    def reaches(self: nn.Module, module: Any) -> None:
        rules(self, module)
        if hasattr(module, "layers"):
            module.layers[1].mlp.up_proj.weight.fill_(0.5)

    spec = ModelSpec(configuration("llama"))
    for rule in (leaves, reaches):
        monkeypatch.setattr(LlamaPreTrainedModel, "_init_weights", rule)
        weights, expected = named(whole_model(spec, 16, 7).model), named(usual("llama"))
        assert all(torch.equal(weights[name], expected[name]) for name in expected)
