"""Stages that train a part of the weights, on one worker: what moves, and what stays."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from transformers import AutoModelForCausalLM

from raycl.errors import InputError
from raycl.plan.trained import Trains
from raycl.plan.training import ModelSpec
from raycl.states.tensor_index import Box, whole
from raycl.storage import Storage
from raycl.train.checkpoint.export import export_hugging_face
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.checkpoint.weights import state_weights
from raycl.train.model.adapters import adapter_parameters, targets, without_adapters
from raycl.train.model.language_model import LanguageModel, empty_model
from raycl.train.model.partial import restrict
from raycl.train.optimizer import build_optimizer, set_learning_rate
from raycl.train.parallel.world import World
from raycl.train.start.adapter_weights import draw_adapters
from raycl.train.start.fill import whole_model
from tests.helpers.model_types import configuration
from tests.helpers.training_runs import (
    FIRST_STAGE,
    LENGTH,
    make_batches,
    make_storage,
    make_task,
    run,
)

LORA = {"lora": {"rank": 4, "alpha": 6}}
KINDS = ("gpt_neox", "llama", "gpt2")
"""Queries, keys and values in one matrix; apart; and matrices that are [in, out]."""
Tensors = dict[str, torch.Tensor]


def stored(storage: Storage, step: int, **fields: Any) -> Tensors:
    """The tensors of a state as its files have them."""
    state = read_state(storage, make_task(**fields).chain.name(step))
    tensors = StoredTensors(storage, state, World(0, 1, torch.device("cpu")))
    return {n: tensors.read(n, whole(facts.shape)) for n, facts in tensors.facts.items()}


def loaded(storage: Storage, step: int, **fields: Any) -> Tensors:
    name = make_task(**fields).chain.name(step)
    return load_model(storage, read_state(storage, name), LENGTH).state_dict()


def moved(before: Tensors, after: Tensors) -> set[str]:
    """The weights that differ in a single bit."""
    weights = {name for name in before if name.startswith("model.")}
    assert weights == {name for name in after if name.startswith("model.")}
    return {name for name in weights if not torch.equal(before[name], after[name])}


def moments(tensors: Tensors) -> set[str]:
    start = "optimizer.exp_avg."
    return {name.removeprefix(start) for name in tensors if name.startswith(start)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_frozen_keeps_every_bit(kind: str, tmp_path: Path) -> None:
    blocks = "transformer.h" if kind == "gpt2" else "*.layers"
    trains = ({"only": f"{blocks}.1.*"}, {"freeze": [f"{blocks}.1.*"]})
    fields: dict[str, Any] = {"config": configuration(kind), "trains": trains}
    storage = make_storage(tmp_path)
    run(storage, **fields)
    first, last = (stored(storage, step, **fields) for step in (FIRST_STAGE, 6))
    inside = {name for name in last if name.startswith("model.") and ".1." in name}
    outside = {name for name in last if name.startswith("model.")} - inside
    assert moved(first, last) == outside
    assert {f"model.{name}" for name in moments(first)} == inside
    assert {f"model.{name}" for name in moments(last)} == outside
    mark = read_state(storage, make_task(**fields).chain.name(6)).mark
    assert mark.trains == f"freeze {blocks}.1.*"
    assert mark.adapters is None


@pytest.mark.parametrize("tied", [True, False])
def test_embeddings_alone_are_the_embedding_and_the_output_matrix(
    tied: bool, tmp_path: Path
) -> None:
    config = configuration("llama", tie_word_embeddings=tied)
    fields: dict[str, Any] = {"config": config, "trains": ("all", "embeddings")}
    storage = make_storage(tmp_path)
    run(storage, **fields)
    first, last = (stored(storage, step, **fields) for step in (FIRST_STAGE, 6))
    head = set() if tied else {"model.lm_head.weight"}
    assert moved(first, last) == {"model.model.embed_tokens.weight"} | head


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_lie_beside_the_weights(kind: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"config": configuration(kind), "trains": ("all", LORA)}
    storage = make_storage(tmp_path)
    run(storage, **fields)
    first, last = (stored(storage, step, **fields) for step in (FIRST_STAGE, 6))
    assert moved(first, last) == set()
    adapters = {name for name in last if name.startswith("adapter.")}
    assert moments(last) == adapters
    assert not any("base_layer" in name or "default" in name for name in last)
    model = empty_model(ModelSpec(configuration(kind)), LENGTH)
    linear = targets(model.model, Trains.model_validate(LORA).lora)  # type: ignore[arg-type]
    assert adapters == {f"adapter.{n}.{p}" for n in linear for p in ("lora_A", "lora_B")}
    # Frozen and trained weights in one: the model of the state has the adapters in its weights.
    merged = loaded(storage, 6, **fields)
    changed = {n for n in merged if n in first and not torch.equal(merged[n], first[n])}
    assert changed == {f"model.{name}.weight" for name in linear}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_with_adapters_is_that_of_peft(kind: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"config": configuration(kind), "trains": (LORA, LORA), "stop": 1}
    storage = make_storage(tmp_path)
    run(storage, **fields, weight_decay=0.0)
    task = make_task(**fields, weight_decay=0.0)
    found = stored(storage, 1, **fields, weight_decay=0.0)
    # The plain model with peft's own adapters, from the same first values.
    model = whole_model(task.model, LENGTH, task.seed).train()
    names = targets(model.model, Trains.model_validate(LORA).lora)  # type: ignore[arg-type]
    own = copy.deepcopy(model.model)
    wrapped = peft.get_peft_model(
        own,
        peft.LoraConfig(r=4, lora_alpha=6, target_modules=names, fan_in_fan_out=kind == "gpt2"),
    )
    first = drawn(task.model, task.seed)
    state = dict(wrapped.named_parameters())
    with torch.no_grad():
        for name, values in first.items():
            state[_peft_name(name)].copy_(values)
    rows = torch.from_numpy(next(make_batches(task, storage)(0)).astype("int64"))
    loss = LanguageModel(own)(rows) / rows[:, 1:].numel()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(wrapped.parameters(), 1.0)
    optimizer = torch.optim.AdamW(
        [p for p in wrapped.parameters() if p.requires_grad],
        lr=1e-2,
        betas=(0.9, 0.95),
        eps=1e-8,
        weight_decay=0.0,
    )
    optimizer.step()
    for name in first:
        torch.testing.assert_close(
            found[f"adapter.{name}"], state[_peft_name(name)].detach(), rtol=0, atol=1e-6
        )
    merged = wrapped.merge_and_unload().state_dict()
    ours = loaded(storage, 1, **fields, weight_decay=0.0)
    for name, values in merged.items():
        torch.testing.assert_close(ours[f"model.{name}"], values, rtol=0, atol=1e-6)


def drawn(spec: ModelSpec, seed: int) -> Tensors:
    """The first adapters of a training that begins with them."""
    model = empty_model(spec, LENGTH)
    restrict(model, Trains.model_validate(LORA))
    model.to_empty(device="cpu")
    draw_adapters(model, seed, 0)
    return {name: p.detach().clone() for name, p in adapter_parameters(model).items()}


def _peft_name(name: str) -> str:
    return f"base_model.model.{name}.default.weight"


def test_adapters_begin_with_no_effect_and_anew_at_each_step() -> None:
    spec = ModelSpec(configuration("llama"))
    first = drawn(spec, 1)
    assert all(not values.any() for name, values in first.items() if name.endswith("lora_B"))
    ends = [values for name, values in first.items() if name.endswith("lora_A")]
    assert all(0.5 < float(v.abs().max()) * v.shape[1] ** 0.5 <= 1 for v in ends)
    assert not torch.equal(*(ends[i] for i in (0, 1)))
    model = empty_model(spec, LENGTH)
    restrict(model, Trains.model_validate(LORA))
    model.to_empty(device="cpu")
    draw_adapters(model, 1, 4)
    name = next(iter(first))
    assert not torch.equal(adapter_parameters(model)[name].detach(), first[name])


@pytest.mark.parametrize("kind", KINDS)
def test_every_slice_of_merged_weights_is_a_part_of_the_whole(kind: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"config": configuration(kind), "trains": (LORA, LORA), "stop": 3}
    storage = make_storage(tmp_path)
    run(storage, **fields)
    expected = loaded(storage, 3, **fields)
    weights = state_weights(storage, read_state(storage, make_task(**fields).chain.name(3)))
    assert weights.facts.keys() <= expected.keys()
    for name, facts in weights.facts.items():
        assert torch.equal(weights.read(name, whole(facts.shape)), expected[name])
        if len(facts.shape) == 2:
            rows, columns = facts.shape
            box = Box((1, 3), (rows - 2, columns - 4))
            assert torch.equal(weights.read(name, box), expected[name][1:-1, 3:-1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_without_moments_has_its_adapters(kind: str, tmp_path: Path) -> None:
    fields: dict[str, Any] = {"config": configuration(kind), "trains": ("all", LORA)}
    whole_state, light = (make_storage(tmp_path / name) for name in ("whole", "light"))
    run(whole_state, **fields)
    run(light, end="weights", **fields)
    before, after = (stored(storage, 6, **fields) for storage in (whole_state, light))
    assert after.keys() == {name for name in before if not name.startswith("optimizer.")}
    expected, found = (loaded(storage, 6, **fields) for storage in (whole_state, light))
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_state_that_lost_its_adapters_is_not_taken_for_its_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: dict[str, Any] = {"config": configuration("llama"), "trains": ("all", LORA)}
    storage = make_storage(tmp_path)
    with monkeypatch.context() as patched:
        name = "raycl.train.trainer.Trainer._tensors"
        patched.setattr(name, lambda trainer: named_tensors(trainer.model, None))
        run(storage, end="weights", **fields)
    state = read_state(storage, make_task(**fields).chain.name(6))
    with pytest.raises(InputError, match="adapters that were trained are not in it"):
        load_model(storage, state, LENGTH)
    with pytest.raises(InputError, match="adapters that were trained are not in it"):
        state_weights(storage, state)


def test_an_export_has_the_adapters_in_its_weights(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"config": configuration("gpt2"), "trains": ("all", LORA)}
    storage = make_storage(tmp_path)
    run(storage, **fields)
    export_hugging_face(storage, make_task(**fields).chain.name(6), tmp_path / "out")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out").state_dict()
    expected = loaded(storage, 6, **fields)
    assert all(torch.equal(model[n], expected[f"model.{n}"]) for n in model)


@pytest.mark.parametrize(
    ("kind", "trains"),
    [
        ("gpt2", (LORA, "all")),
        ("gpt_neox", ("all", LORA)),
        ("llama", (LORA, {"lora": {"rank": 2}})),
        ("llama", ("embeddings", {"freeze": "*.0.*"})),
    ],
)
def test_a_resume_is_bit_equal(kind: str, trains: tuple[Any, Any], tmp_path: Path) -> None:
    fields: dict[str, Any] = {"config": configuration(kind), "trains": trains}
    once, often = (make_storage(tmp_path / name) for name in ("once", "often"))
    run(once, **fields)
    for stop in (1, 3, 5, 6):  # within each stage, and on both sides of the hand-off
        run(often, **(fields | {"stop": stop}))
    expected, found = (stored(storage, 6, **fields) for storage in (once, often))
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_stage_goes_on_from_merged_weights(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"config": configuration("llama"), "trains": (LORA, "all")}
    storage = make_storage(tmp_path)
    fields["rates"] = (1e-2, 1e-30)  # the second stage changes nothing
    run(storage, **fields)
    merged = loaded(storage, FIRST_STAGE, **fields)
    last = stored(storage, 6, **fields)
    assert all(torch.equal(last[name], merged[name]) for name in merged if name in last)
    assert not any(name.startswith("adapter.") for name in last)


@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"compile": True}, marks=pytest.mark.slow),
        {"activation_checkpointing": "full"},
        {"micro_batch": 3},
        {"activation_checkpointing": "selective"},
    ],
)
def test_however_it_is_computed_the_losses_are_the_same(
    how: dict[str, Any], tmp_path: Path
) -> None:
    fields: dict[str, Any] = {"config": configuration("llama"), "trains": (LORA, "embeddings")}
    plain, other = make_storage(tmp_path / "plain"), make_storage(tmp_path / "other")
    expected, found = run(plain, **fields)[-1]["loss"], run(other, **fields, **how)[-1]["loss"]
    assert found == pytest.approx(expected, abs=2e-5)


def test_modules_are_back_in_their_places() -> None:
    model = empty_model(ModelSpec(configuration("gpt2")), LENGTH)
    plain = [name for name, _ in model.named_parameters()]
    restrict(model, Trains.model_validate(LORA))
    adapted = [name for name, _ in model.named_modules()]
    with without_adapters(model):
        assert [name for name, _ in model.named_parameters()] == plain
    assert [name for name, _ in model.named_modules()] == adapted
    optimizer = build_optimizer(model, make_task().optimizer)
    set_learning_rate(optimizer, 0.0)
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(adapter_parameters(model))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"targets": ["q_prj"]}, "'q_prj': no matrix of the blocks .* q_proj"),
        ({"targets": ["lm_head"]}, "'lm_head': no matrix of the blocks"),
        ({"targets": ["embed_tokens"]}, "'embed_tokens': no matrix"),
    ],
)
def test_targets_that_are_no_matrices_are_refused(written: Any, message: str) -> None:
    model = empty_model(ModelSpec(configuration("llama")), LENGTH)
    with pytest.raises(InputError, match=message):
        restrict(model, Trains.model_validate({"lora": written}))
