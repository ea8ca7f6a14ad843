"""Models: sizes, initialisation, loss, Hugging Face in and out."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from torch.nn import functional

from raycl.errors import InputError
from raycl.models.store import folder_weights
from raycl.plan.model_fields import trained_fields
from raycl.plan.presets import PRESETS, flops_per_token, parameter_count
from raycl.plan.training import ModelSpec
from raycl.train.model.attention import attention_choices
from raycl.train.model.language_model import transformer_blocks
from raycl.train.start.fill import whole_model

TINY = {**PRESETS["gpt-neox-tiny"], "vocab_size": 512}
CPU = torch.device("cpu")


def built(config: dict[str, Any], seed: int = 0, initialization: Any = "gpt-neox") -> Any:
    return whole_model(ModelSpec(config, initialization=initialization), 16, seed).model


@pytest.mark.parametrize("name", PRESETS)
def test_closed_form_counts_what_transformers_builds(name: str) -> None:
    config = {**PRESETS[name], "vocab_size": 1000}
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.for_model(**config)
        )
    assert parameter_count(config) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "vocabulary", "count"),
    [("gpt-neox-405m", 50_304, 405.3e6), ("gpt-neox-9.6b", 50_688, 9.64e9)],
)
def test_presets_have_the_papers_sizes(name: str, vocabulary: int, count: float) -> None:
    config = {**PRESETS[name], "vocab_size": vocabulary}
    assert parameter_count(config) == pytest.approx(count, rel=1e-3)
    assert 6 * count * 0.8 < flops_per_token(config, 2048) < 6 * count * 1.5


@pytest.mark.parametrize(
    ("name", "vocabulary", "count"),
    [
        ("llama-1b", 128_256, 1_235_814_400),
        ("llama-8b", 128_256, 8_030_261_248),
        ("gpt-neox-tiny-wide", 2048, 6 * (12 * 192**2 + 13 * 192) + 2 * 192 + 2 * 2048 * 192),
    ],
)
def test_sizes_by_closed_form(name: str, vocabulary: int, count: int) -> None:
    assert parameter_count({**PRESETS[name], "vocab_size": vocabulary}) == count


def test_a_wide_tiny_model_is_what_its_closed_form_counts() -> None:
    config = {**PRESETS["gpt-neox-tiny-wide"], "vocab_size": 512}
    assert sum(p.numel() for p in built(config).parameters()) == parameter_count(config)


def test_llama_3_shares_keys_and_values_among_heads() -> None:
    config = {**PRESETS["llama-1b"], "vocab_size": 512, "num_hidden_layers": 1}
    model = built(config, initialization="transformers")
    attention = model.model.layers[0].self_attn
    assert attention.k_proj.weight.shape == (8 * 64, 2048)
    assert attention.q_proj.weight.shape == (32 * 64, 2048)


def test_presets_need_no_torch() -> None:
    code = "import sys, raycl.plan.presets; assert not {'torch', 'transformers'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_initialisation_of_the_paper() -> None:
    model = built(TINY)
    small, wang = math.sqrt(2 / (5 * 128)), 2 / (4 * math.sqrt(128))
    for name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            assert torch.all(parameter == (0 if name.endswith("bias") else 1)), name
            continue
        ends = name.endswith(("attention.dense.weight", "dense_4h_to_h.weight"))
        expected = pytest.approx(wang if ends else small, rel=0.02)
        assert float(parameter.detach().std()) == expected, name


@pytest.mark.parametrize("initialization", ["gpt-neox", "transformers"])
def test_weights_depend_on_the_seed_alone(initialization: str) -> None:
    one = built(TINY, 1, initialization).state_dict()
    torch.rand(3)
    same, other = (built(TINY, seed, initialization).state_dict() for seed in (1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("name", ["gpt-neox-tiny", "llama-tiny", "gpt2"])
def test_loss_equals_cross_entropy_of_all_logits(name: str) -> None:
    gpt2 = {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
    gpt2 |= {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    config = {**(PRESETS.get(name) or gpt2), "vocab_size": 512}
    model = whole_model(ModelSpec(config), 32, 0)
    rows = torch.randint(0, 512, (40, 33), generator=torch.Generator().manual_seed(0))
    loss = model(rows)
    loss.backward()
    gradients = [p.grad for p in model.parameters()]
    model.zero_grad()
    logits = model.model(input_ids=rows[:, :-1]).logits
    targets = rows[:, 1:].flatten()
    expected = functional.cross_entropy(logits.flatten(0, 1), targets, reduction="sum")
    expected.backward()
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        assert gradient is not None
        assert parameter.grad is not None
        assert torch.allclose(gradient, parameter.grad, rtol=1e-4, atol=1e-4)


def test_pretrained_weights_come_in_as_float32(tmp_path: Path) -> None:
    original = built(TINY).to(torch.bfloat16)
    original.save_pretrained(tmp_path)
    spec = ModelSpec(trained_fields(original.config.to_dict()), "identifier")
    model = whole_model(spec, 16, folder_weights(tmp_path)).model
    for name, weight in original.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight.float())


def test_weights_that_are_missing_are_not_drawn_at_random(tmp_path: Path) -> None:
    model = built(TINY)
    model.config.save_pretrained(tmp_path)
    weights = dict(model.state_dict())
    del weights["gpt_neox.layers.1.mlp.dense_h_to_4h.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 weights .*layers\.1\.mlp"):
        whole_model(ModelSpec(TINY, "identifier"), 16, folder_weights(tmp_path))


def test_a_state_of_an_earlier_version_needs_the_folder_of_its_model(tmp_path: Path) -> None:
    """Its mark has the path of a folder in place of a configuration."""
    built(TINY).save_pretrained(tmp_path / "base")
    earlier = ModelSpec({}, str(tmp_path / "base"))
    model = whole_model(earlier, 16, None).model
    assert model.config.hidden_size == TINY["hidden_size"]
    (tmp_path / "base").rename(tmp_path / "moved")
    with pytest.raises(InputError, match="an earlier raycl stored the state without"):
        whole_model(earlier, 16, None)


def test_bad_configurations_say_what_is_wrong() -> None:
    with pytest.raises(InputError, match="positions"):
        whole_model(ModelSpec(TINY), 4096, 0)
    with pytest.raises(InputError, match="config"):
        built({**TINY, "model_type": "no-such-model"})
    with pytest.raises(InputError, match="config"):
        built({**TINY, "num_attention_heads": 5})
    with pytest.raises(InputError, match="flash"):
        attention_choices("flash", CPU, torch.bfloat16)
    assert attention_choices("auto", CPU, torch.bfloat16) == ("sdpa", "eager")


def test_blocks_are_the_layers() -> None:
    model = whole_model(ModelSpec(TINY), 16, 0)
    assert transformer_blocks(model) == list(
        model.model.get_submodule("gpt_neox.layers").children()
    )
