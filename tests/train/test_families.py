"""Families of models that others make: from a folder, through two stages, to a folder again.

Each checkpoint is saved by transformers itself. What raycl computes from it is compared with
transformers' own eager forward pass in float32, on rows longer than the sliding windows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch.nn import functional

from raycl.data.manifest import load_manifest
from raycl.data.shards import CorpusReader
from raycl.models.read import read_start
from raycl.models.store import folder_weights, store_start
from raycl.plan.model_fields import trained_fields
from raycl.plan.training import ModelSpec, Training
from raycl.storage import Storage
from raycl.train.checkpoint.export import export_hugging_face
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.inspection.inspect import inspect_model
from raycl.train.loop import train
from raycl.train.start.fill import whole_model
from tests.helpers.training_runs import LENGTH, VOCABULARY, make_batches, make_storage, make_task

WINDOW = 5
"""Tokens of a sliding window; a row has three times as many."""
_GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
_SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
_GROUPED = {**_SIZES, "num_key_value_heads": 2}
_HEADS = {**_GROUPED, "head_dim": 8}
_LAYERS = ["sliding_attention", "full_attention"]
_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 5000.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}


@dataclass(frozen=True)
class Family:
    """A kind of model, and the form in which its checkpoint is saved."""

    kind: str
    fields: dict[str, Any]
    tied: bool = False
    dtype: torch.dtype = torch.float32
    shard: str = "1GB"
    vocabulary: int = VOCABULARY
    old: dict[str, Any] = field(default_factory=dict)
    """Fields of config.json as older files have them, in place of `rope_parameters`."""


FAMILIES = {
    "gpt2": Family("gpt2", _GPT2, tied=True),
    "gpt_neox": Family("gpt_neox", {**_SIZES, "rotary_pct": 0.5}, vocabulary=VOCABULARY + 16),
    "gpt_neox, old": Family(
        "gpt_neox", _SIZES, old={"rotary_emb_base": 500, "rotary_pct": 0.5}, dtype=torch.float16
    ),
    "llama, scaled": Family("llama", {**_GROUPED, "rope_parameters": _ROPE}, shard="20KB"),
    "llama, old": Family(
        "llama",
        {**_GROUPED, "attention_bias": True, "mlp_bias": True},
        old={"rope_theta": 300.0, "rope_scaling": {"type": "linear", "factor": 3.0}},
    ),
    "qwen2": Family(
        "qwen2",
        {
            **_GROUPED,
            "use_sliding_window": True,
            "sliding_window": WINDOW,
            "max_window_layers": 1,
        },
        tied=True,
        dtype=torch.bfloat16,
        old={"rope_theta": 1e6},
    ),
    "qwen3": Family("qwen3", _HEADS, dtype=torch.bfloat16, shard="20KB"),
    "mistral": Family("mistral", {**_HEADS, "sliding_window": WINDOW}, old={"rope_theta": 700.0}),
    "gemma2": Family(
        "gemma2",
        {
            **_HEADS,
            "sliding_window": WINDOW,
            "query_pre_attn_scalar": 8,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
        },
        tied=True,
        dtype=torch.bfloat16,
        vocabulary=VOCABULARY + 32,
    ),
    "gemma3": Family(
        "gemma3_text",
        {
            **_HEADS,
            "sliding_window": WINDOW,
            "layer_types": _LAYERS,
            "query_pre_attn_scalar": 8,
        },
        tied=True,
        old={
            "rope_theta": 900.0,
            "rope_local_base_freq": 70.0,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
    ),
    "phi": Family("phi", {**_GROUPED, "partial_rotary_factor": 0.5}, dtype=torch.float16),
    "olmo2": Family("olmo2", _GROUPED, shard="20KB"),
    "smollm3": Family("smollm3", {**_GROUPED, "no_rope_layers": [1, 0]}, tied=True),
}


def saved(family: Family, folder: Path) -> Path:
    """A checkpoint with random weights, large enough that every part of the model shows."""
    config = transformers.AutoConfig.for_model(
        family.kind,
        **family.fields,
        vocab_size=family.vocabulary,
        tie_word_embeddings=family.tied,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=None,
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)
    model.to(family.dtype).save_pretrained(folder, max_shard_size=family.shard)
    if family.old:
        fields = json.loads((folder / "config.json").read_text())
        fields.pop("rope_parameters")
        (folder / "config.json").write_text(json.dumps({**fields, **family.old}))
    assert (folder / "model.safetensors.index.json").exists() == (family.shard != "1GB")
    return folder


def eager(folder: Path) -> transformers.PreTrainedModel:
    """The model as transformers alone loads it, in float32."""
    model: transformers.PreTrainedModel = transformers.AutoModelForCausalLM.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32
    )
    model.eval()
    return model


def validation_rows(storage: Storage) -> torch.Tensor:
    """Rows of LENGTH + 1 tokens."""
    reader = CorpusReader(
        storage, "corpora/new", load_manifest(storage, "corpora/new"), "validation"
    )
    return torch.from_numpy(reader.read(0, reader.rows).astype("int64"))


@torch.no_grad()
def mean_loss(model: transformers.PreTrainedModel, rows: torch.Tensor) -> float:
    """Nats/token by the model's own logits."""
    logits = model(input_ids=rows[:, :-1]).logits.float()
    return float(functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_from_a_folder_through_two_stages_to_a_folder(family: Family, tmp_path: Path) -> None:
    base, storage = saved(family, tmp_path / "base"), make_storage(tmp_path / "storage")
    rows = validation_rows(storage)
    start = read_start(str(base), Path("/"))
    spec = ModelSpec(trained_fields(start.config), start.identifier)
    facts = inspect_model(spec, start.tensors, LENGTH, VOCABULARY, "my.yaml")
    assert facts.vocabulary == family.vocabulary

    theirs, ours = eager(base), whole_model(spec, LENGTH, folder_weights(base))
    with torch.no_grad():
        expected = theirs(input_ids=rows[:, :-1]).logits
        found = ours.model.eval()(input_ids=rows[:, :-1], use_cache=False).logits
    assert float(expected.std()) > 0.3
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    targets = rows[:, 1:].numel()
    assert float(ours(rows).detach()) / targets == pytest.approx(mean_loss(theirs, rows), abs=1e-5)

    store_start(storage, start)
    task: Training = replace(make_task(rates=(1e-3, 1e-3)), model=spec)
    reports: list[dict[str, Any]] = []
    train(task, storage, make_batches(task, storage), reports.append)
    name = task.chain.name(task.stop)
    trained = load_model(storage, read_state(storage, name), LENGTH).eval()
    loss = float(trained(rows).detach()) / targets
    assert abs(loss - mean_loss(theirs, rows)) > 1e-3

    export_hugging_face(storage, name, tmp_path / "out")
    again = eager(tmp_path / "out")
    assert mean_loss(again, rows) == pytest.approx(loss, abs=1e-5)
    assert type(again) is type(theirs)
    for name in ("rope_parameters", "tie_word_embeddings", "sliding_window", "layer_types"):
        assert getattr(again.config, name, None) == getattr(theirs.config, name, None)
    rope = json.dumps(getattr(again.config, "rope_parameters", None))
    for name in ("rope_theta", "rope_local_base_freq", "rotary_emb_base"):
        assert name not in family.old or str(family.old[name]) in rope
