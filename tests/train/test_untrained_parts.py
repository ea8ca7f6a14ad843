"""Weights that a step does not train are saved as they are, and a resume finds all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from raycl.plan.optimizer import Optimizer
from raycl.plan.training import ModelSpec
from raycl.storage import Storage
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.inspection.probe import freeze_unreached
from raycl.train.loop import train
from raycl.train.optimizer import build_optimizer
from raycl.train.parallel.gradients import complete_gradients
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import GEMMA3, configuration
from tests.helpers.training_runs import make_batches, make_storage, make_task

LAST = 6


def trained(storage: Storage, config: dict[str, Any], *stops: int) -> dict[str, torch.Tensor]:
    """The tensors of the state after the last of the stops, with a run up to each of them."""
    for stop in stops:
        task = replace(make_task(stop=stop), model=ModelSpec(config))
        train(task, storage, make_batches(task, storage), lambda _: None)
    folder = Path(storage.full_path(f"states/{task.chain.name(stops[-1])}"))
    return {n: t for file in folder.glob("*.safetensors") for n, t in load_file(file).items()}


@pytest.mark.parametrize(
    "config",
    [
        GEMMA3,
        configuration("deepseek_v3"),
        configuration("gpt_oss"),
        configuration("mamba"),
        configuration(
            "big_bird",
            is_decoder=True,
            attention_type="original_full",
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        ),
    ],
    ids=lambda config: config["model_type"],
)
def test_a_resume_is_bit_equal(config: dict[str, Any], tmp_path: Path) -> None:
    whole = trained(make_storage(tmp_path / "whole"), config, LAST)
    # The second run begins in the middle of a stage: with moments, and with the step count.
    parts = trained(make_storage(tmp_path / "parts"), config, 3, 5, LAST)
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_vision_tower_is_saved_as_it_was(tmp_path: Path) -> None:
    storage = make_storage(tmp_path)
    first, last = (trained(storage, GEMMA3, stop) for stop in (1, LAST))
    towers = [name for name in first if "vision" in name or "multi_modal" in name]
    assert not any(name.startswith("optimizer.") for name in towers)
    for name in first:
        if name.startswith("model."):
            assert torch.equal(first[name], last[name]) == (name in towers), name
    task = replace(make_task(stop=LAST), model=ModelSpec(GEMMA3))
    model = load_model(storage, read_state(storage, task.chain.name(LAST)), 16)
    assert all(torch.equal(p.detach(), last[name]) for name, p in model.named_parameters())


def test_buffers_of_a_checkpoint_are_part_of_a_state(tmp_path: Path) -> None:
    storage, config = make_storage(tmp_path), configuration("deepseek_v3")
    task = replace(make_task(stop=1), model=ModelSpec(config))
    name = "model.model.layers.1.mlp.gate.e_score_correction_bias"
    assert name in trained(storage, config, 1)
    model = load_model(storage, read_state(storage, task.chain.name(1)), 16)
    assert torch.equal(dict(model.named_buffers())[name], torch.zeros(4))


def test_a_parameter_that_a_step_did_not_use_is_counted_with_the_others() -> None:
    spec = ModelSpec(configuration("mixtral"))
    model = whole_model(spec, 16, 0)
    freeze_unreached(model, spec)
    optimizer = build_optimizer(model, Optimizer())
    complete_gradients(model)
    optimizer.step()
    steps = {float(state["step"]) for state in optimizer.state.values()}
    assert (len(optimizer.state), steps) == (len(list(model.parameters())), {1.0})
