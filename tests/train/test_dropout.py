"""Continual pre-training runs without dropout, whatever the model's configuration says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import nn

from raycl.errors import InputError
from raycl.plan.model_fields import is_noise, refuse_noise, trained_fields
from raycl.plan.training import ModelSpec, Training
from raycl.storage import Storage
from raycl.train.interruption import Interrupted
from raycl.train.loop import train
from raycl.train.start.fill import whole_model
from tests.helpers.stored_tensors import difference, tensors
from tests.helpers.training_runs import VOCABULARY, Notice, make_batches, make_storage, make_task

SIZES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64},
    "opt": {
        "hidden_size": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "word_embed_proj_dim": 32,
        "max_position_embeddings": 64,
        "layerdrop": 0.5,
    },
    "gpt_neo": {
        "hidden_size": 32,
        "num_layers": 2,
        "attention_types": [[["global"], 2]],
        "num_heads": 2,
        "embed_dropout": 0.3,
        "max_position_embeddings": 64,
    },
    "mixtral": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "num_local_experts": 2,
        "router_jitter_noise": 0.5,
        "attention_dropout": 0.5,
    },
}


def task(kind: str = "gpt2", **fields: Any) -> Training:
    config = {"model_type": kind, "vocab_size": VOCABULARY, **SIZES[kind]}
    return replace(make_task(**fields), model=ModelSpec(config))


def run(storage: Storage, training: Training, notice: Notice | None = None) -> None:
    asked = notice or Notice(at=10**9)
    batches = make_batches(training, storage)
    train(training, storage, batches, lambda _: None, asked.asked, [asked])


def test_a_training_of_gpt2_is_the_same_twice_and_after_a_resume(tmp_path: Path) -> None:
    """GPT-2's own configuration has 10 % dropout in three places."""
    assert transformers.GPT2Config().attn_pdrop == 0.1
    storages = [make_storage(tmp_path / name) for name in ("one", "two", "resumed")]
    for storage in storages[:2]:
        torch.rand(storages.index(storage) + 1)  # the global generator is somewhere else
        run(storage, task())
    with pytest.raises(Interrupted):
        run(storages[2], task(save_every=1), Notice(at=5))
    run(storages[2], task(save_every=1))
    one, two, resumed = (tensors(storage, 6) for storage in storages)
    assert difference(one, two) == 0
    assert difference(one, resumed) == 0


@pytest.mark.parametrize("kind", SIZES)
def test_two_passes_in_training_mode_are_equal(kind: str) -> None:
    model = whole_model(task(kind).model, 16, 0, attention=("eager",)).train()
    rows = torch.randint(0, VOCABULARY, (4, 17), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(model(rows), model(rows))
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} <= {0.0}


@pytest.mark.parametrize(
    "field",
    [
        "dropout",
        "attention_dropout",
        "resid_pdrop",
        "embd_pdrop",
        "layerdrop",
        "decoder_layerdrop",
        "drop_path_rate",
        "router_jitter_noise",
        "input_jitter_noise",
        "moe_jitter_eps",
    ],
)
def test_a_recipe_that_asks_for_dropout_is_refused(field: str) -> None:
    for config in ({field: 0.1}, {field: "0.1"}, {field: 1}, {"text_config": {field: 0.1}}):
        with pytest.raises(InputError, match=f"{field} .*after a resume"):
            refuse_noise(config, "model.config")
    for value in (0, 0.0, None):
        refuse_noise({field: value}, "model.config")
    assert field not in trained_fields({field: 0.1})
    assert trained_fields({"ffn_config": {field: 0.1, "size": 3}}) == {"ffn_config": {"size": 3}}


def test_what_is_no_dropout_stays() -> None:
    config = {"hidden_size": 8, "drop_tokens": True, "noise_schedule": "linear", "rope_theta": 1e4}
    assert trained_fields(config) == config
    assert not any(is_noise(name, value) for name, value in config.items())
    refuse_noise({**config, "classifier_dropout": 0.1}, "model.config")
