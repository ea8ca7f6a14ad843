"""A recipe from a model with further tokens: its start is the extended model, for all that uses it.

So the baselines are planned, and a merge with the start has a row for each of the new tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from raycl.errors import InputError
from raycl.models.read import read_start
from raycl.models.store import store_start
from raycl.plan.merge_method import MergeMethod
from raycl.plan.model_fields import trained_fields
from raycl.plan.training import ModelSpec
from raycl.recipe.definition import definition_of
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.states.mark import read_mark
from raycl.states.tensor_index import Box
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.weights import state_weights
from raycl.train.inspection.inspect_plan import inspected
from raycl.weights.extend import Growth, extend_folder
from raycl.weights.instruct_model import keep_instruct
from raycl.weights.merge import merge_states
from tests.helpers.finished_sweep import train_node
from tests.helpers.recipe_data import SCHEDULE, WHERE, recipe_data
from tests.helpers.tokenizers import byte_level, write_tokenizer
from tests.helpers.training_runs import make_storage, make_task

OLD, NEW = 400, 416
"""Rows of the embedding before and after; 400 is a multiple of 16, and so stays the new number."""
TEXT = ["der Hund und die Katze und der Vogel", "die Katze schläft, und der Hund bellt"] * 5


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the models `base` and `new`, of which `new` has further tokens."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXT)
    (tmp_path / "german.jsonl").write_text(lines, "utf-8")
    config = transformers.LlamaConfig(
        vocab_size=OLD, hidden_size=16, num_hidden_layers=1, num_attention_heads=2
    )
    config.intermediate_size = 32
    transformers.LlamaForCausalLM(config).save_pretrained("base")
    write_tokenizer(
        tmp_path / "base", byte_level(), tokenizer_config={"eos_token": "<|endoftext|>"}
    )
    list(extend_folder("./base", Path("new"), Growth(("german.jsonl",), 10, (), "mean", 10_000)))


def plan() -> SweepPlan:
    stages = [{"name": "old", "steps": 4, "schedule": SCHEDULE, "trains": "embeddings"}]
    stages += [{"name": "new", "steps": 4, "replay": "25%", "schedule": SCHEDULE}]
    corpora = {name: {"text": "german.jsonl"} for name in ("english", "old", "new")}
    fields: Mapping[str, Any] = {
        "model": {"pretrained": "./new", "knows": ["english"]},
        "stages": stages,
        "corpora": corpora,
        "baselines": ["union", "scratch", "previous"],
        "merge": {"with": "start"},
    }
    data = recipe_data(**fields)
    del data["tokenizer"]  # the model's own
    return plan_sweeps((definition_of(data, WHERE),), None)


def test_baselines_and_merges_of_an_extended_model_are_planned() -> None:
    made = inspected(plan())
    (sweep,) = made.sweeps
    identifier = read_start("./new", Path.cwd()).identifier
    assert identifier != read_start("./base", Path.cwd()).identifier
    assert {training.model.config["vocab_size"] for training in sweep.trainings.values()} == {NEW}
    (merge,) = sweep.merges
    assert merge.base == f"starts/{identifier}"
    kinds = {variant.kind: variant.label for variant in sweep.definition.variants}
    stages = {
        kind: [stage.trains.text for stage in sweep.trainings[label].chain.stages]
        for kind, label in kinds.items()
    }
    assert stages == {
        "sweep": ["embeddings", "all"],
        "union": ["all"],
        "scratch": ["all"],
        "previous": ["embeddings"],
    }
    starts = {kind: sweep.trainings[label].model.pretrained for kind, label in kinds.items()}
    assert starts == {**dict.fromkeys(starts, identifier), "scratch": None}


def test_a_merge_with_the_start_keeps_the_new_tokens(tmp_path: Path) -> None:
    storage = make_storage(tmp_path / "storage")
    start = read_start("./new", Path.cwd())
    store_start(storage, start)
    spec = ModelSpec(trained_fields(start.config), start.identifier)
    task = replace(make_task(2), model=spec)
    train_node(task, storage)
    end = task.chain.name(2)
    merged = merge_states(storage, "start", [end], MergeMethod("linear"))
    assert read_mark(storage, merged).model.config["vocab_size"] == NEW
    weights = state_weights(storage, read_state(storage, merged))
    name = "model.model.embed_tokens.weight"
    assert weights.facts[name].shape == (NEW, 16)
    extended = transformers.AutoModelForCausalLM.from_pretrained("new", dtype=torch.float32)
    rows = weights.read(name, Box((OLD, 0), (NEW - OLD, 16)))
    assert not torch.equal(rows, torch.zeros_like(rows))
    # No row of the text has a new token: AdamW decays theirs a little, and moves none of them far.
    began = extended.state_dict()["model.embed_tokens.weight"][OLD:]
    torch.testing.assert_close(rows, began, rtol=0, atol=0.1)
    with pytest.raises(InputError, match=r"vocab_size|embed_tokens|lm_head"):
        keep_instruct(storage, "./base", "start", end)
