"""Fields and values of a model's configuration, checked without torch."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from raycl.errors import InputError
from raycl.models.configuration import (
    check_configuration,
    check_heads,
    check_positions,
    check_values,
    is_plain,
    nearest_names,
    positions,
)
from raycl.models.known_fields import KNOWN_FIELDS
from raycl.plan.presets import PRESETS
from tests.helpers.recipe_data import recipe_data, resolved

NEOX = {**PRESETS["gpt-neox-tiny"], "vocab_size": 512}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_need_no_further_look(name: str) -> None:
    config = {**PRESETS[name], "vocab_size": 512}
    check_configuration(config)
    assert is_plain(config)
    assert not is_plain({**config, "hidden_act": "swish"})
    assert not is_plain({**config, "rope_scaling": {"rope_type": "linear"}})
    assert not is_plain({**config, "model_type": "gpt2"})


def test_the_checks_need_no_torch() -> None:
    code = "import sys, raycl.models.configuration as c, raycl.models.headers, raycl.recipe.resolve"
    code += "; assert not {'torch', 'transformers'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("kind", ["gpt_neox", "llama"])
def test_known_fields_are_those_of_the_class(kind: str) -> None:
    own = {field.name for field in dataclasses.fields(CONFIG_MAPPING[kind])}
    assert own <= KNOWN_FIELDS[kind]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("n_layers", "num_hidden_layers"),
        ("n_embd", "hidden_size"),
        ("n_head", "num_attention_heads"),
        ("hiden_size", "hidden_size"),
        ("num_hidden_layer", "num_hidden_layers"),
        ("rope_parameter", "rope_parameters"),
        ("attn_pdrop", "attention_dropout"),
        ("context_length", "max_position_embeddings"),
        ("layer_norm_epsilon", "layer_norm_eps"),
    ],
)
def test_a_misspelt_field_is_refused_with_the_nearest_name(name: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"model.config.{name}: no field.* {nearest}") as raised:
        check_configuration({**NEOX, name: 2})
    assert raised.value.where == f"model.config.{name}"
    with pytest.raises(InputError, match=nearest):
        resolved(recipe_data(model={"preset": "gpt-neox-tiny", "config": {name: 2}}))


def test_names_of_other_models_are_replaced_by_those_of_this_one() -> None:
    assert nearest_names("n_layers", {"n_layer", "n_embd"}) == ["n_layer"]
    assert nearest_names("nonsense_of_mine", KNOWN_FIELDS["llama"]) == []


@pytest.mark.parametrize(
    "config",
    [
        {"rope_parameters": {"rope_typ": "default"}},
        {"rope_scaling": {"factr": 2.0}},
        {"rope_parameters": {"full_attention": {"thetta": 1}}},
    ],
)
def test_rotary_settings_have_known_names(config: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="no field of a rotary embedding"):
        check_configuration({**NEOX, **config})


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({"hidden_size": -5}, "hidden_size: -5 is not a whole number"),
        ({"hidden_size": 0}, "hidden_size: 0"),
        ({"hidden_size": 128.0}, "hidden_size: 128.0"),
        ({"hidden_size": True}, "hidden_size: True"),
        ({"hidden_size": None}, "hidden_size: None"),
        ({"hidden_size": "128"}, "hidden_size: '128'"),
        ({"hidden_size": {"a": 1}}, "hidden_size: {'a': 1}"),
        ({"hidden_size": 10**300}, "hidden_size: 1000"),
        ({"num_hidden_layers": "text"}, "num_hidden_layers: 'text'"),
        ({"num_hidden_layers": 1e400}, "num_hidden_layers: inf"),
        ({"num_hidden_layers": 10**6}, "from 1 to 1,000"),
        ({"num_attention_heads": 3}, "3 heads do not divide hidden_size 128"),
        ({"num_attention_heads": 64}, "turn 0"),
        ({"num_attention_heads": 128}, "turn 0"),
        ({"intermediate_size": -1}, "intermediate_size: -1"),
        ({"max_position_embeddings": 0}, "max_position_embeddings: 0"),
        ({"vocab_size": 1e400}, "vocab_size: inf"),
        ({"tie_word_embeddings": "no"}, "not true or false"),
        ({"attention_dropout": -0.1}, "attention_dropout: -0.1"),
        ({"hidden_dropout": 1}, "hidden_dropout: 1"),
        ({"layer_norm_eps": 0}, "layer_norm_eps: 0"),
        ({"layer_norm_eps": float("nan")}, "layer_norm_eps: nan"),
        ({"initializer_range": -0.02}, "initializer_range"),
        ({"rope_parameters": {"rope_theta": -1}}, "rope_parameters.rope_theta: -1"),
        ({"rope_parameters": {"partial_rotary_factor": "x"}}, "partial_rotary_factor: 'x'"),
        ({"rope_parameters": {"partial_rotary_factor": 2}}, "partial_rotary_factor: 2"),
        ({"hidden_size": 10**5000}, "thousands of digits"),
        ({"model_type": ["llama"]}, "is not a name"),
        ({"model_type": None}, "is not a name"),
        ({3: 4}, "3: no field"),
    ],
)
def test_values_that_no_model_can_have(config: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem) as raised:
        check_configuration({**NEOX, **config})
    assert raised.value.where.startswith("model.config.")
    assert raised.value.remedy


def test_keys_and_values_that_heads_cannot_share() -> None:
    llama = {**PRESETS["llama-tiny"], "vocab_size": 512}
    with pytest.raises(InputError, match="num_key_value_heads 3: it does not divide"):
        check_configuration({**llama, "num_key_value_heads": 3})
    with pytest.raises(InputError, match="turn 1"):
        check_configuration({**llama, "num_attention_heads": 128, "num_key_value_heads": 1})
    check_heads({"model_type": "qwen3", "hidden_size": 30, "head_dim": 8, "n_head": 4})
    check_heads({"num_key_value_heads": None, "num_attention_heads": 4})


def test_values_that_other_classes_have() -> None:
    check_values(
        {
            "n_inner": None,
            "num_local_experts": 0,
            "num_attention_heads": [4, 8],
            "use_dropout": True,
            "layer_norm_eps": None,
            "id2label": {0: "a"},
            "classifier_dropout": None,
        },
        "c",
    )


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"max_position_embeddings": 64}, "max_position_embeddings"),
        ({"n_positions": 64}, "n_positions"),
        ({"max_sequence_length": 64}, "max_sequence_length"),
        ({"max_seq_len": 64}, "max_seq_len"),
        ({"text_config": {"max_position_embeddings": 64}}, "text_config.max_position_embeddings"),
    ],
)
def test_positions_of_every_kind_of_model(config: dict[str, Any], field: str) -> None:
    assert positions(config) == (field, 64)
    check_positions(config, 64)
    with pytest.raises(InputError, match=f"65 tokens, but the model has 64 positions.*{field}"):
        check_positions(config, 65)
    check_positions({"model_type": "mamba"}, 10**6)


def test_a_recipe_with_longer_sequences_than_positions_is_refused() -> None:
    model = {"preset": "gpt-neox-tiny", "config": {"max_position_embeddings": 8}}
    with pytest.raises(InputError, match="16 tokens, but the model has 8 positions"):
        resolved(recipe_data(model=model))
