"""Layouts of workers: the same gradients, whoever holds what."""

from __future__ import annotations

from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule

from raycl.errors import InputError
from raycl.plan.layout import KEPT_BYTES, Layout, LayoutChoice, chosen_layout, keeps_gathered
from raycl.plan.presets import PRESETS
from raycl.plan.training import ModelSpec
from raycl.train.model.architecture import hugging_face_config
from raycl.train.model.language_model import empty_model
from raycl.train.parallel.gradients import accumulate_gradients
from raycl.train.parallel.sharding import reshard, shard_model
from raycl.train.parallel.tensor_parallel import divide_matrices, plan_of
from raycl.train.parallel.units import sharding_units
from raycl.train.parallel.world import World
from raycl.train.start.fill import whole_model
from tests.helpers.layout_processes import Gradients, gradients, launch
from tests.helpers.model_types import configuration
from tests.helpers.stored_tensors import history
from tests.helpers.training_runs import CONFIG, make_storage, run
from tests.helpers.worker_processes import launch as launch_trainings

ALONE = World(0, 1, torch.device("cpu"))


def assert_equal(found: Gradients, expected: Gradients) -> None:
    """Equal up to rounding, relative to the largest gradient of each parameter."""
    assert found.keys() == expected.keys()
    largest = max(float(g.abs().max()) for name, g in expected.items() if name != "norm")
    for name, gradient in expected.items():
        # Keys' biases have gradients of zero, in which there is nothing but rounding.
        scale = max(float(gradient.abs().max()), 1e-3 * largest)
        assert float((found[name] - gradient).abs().max()) <= 1e-5 * scale, name


@pytest.mark.slow
def test_every_layout_of_four_workers_has_the_gradients_of_one(tmp_path: Path) -> None:
    """Tied weights and experts too, of which a worker may use none that another one uses."""
    tied = {**CONFIG, "tie_word_embeddings": True}
    experts = configuration("mixtral", num_local_experts=8, num_experts_per_tok=1)
    cases = {
        "flat": (Layout(shard=4), CONFIG, 8),
        "flat, in pieces": (Layout(shard=4), CONFIG, 1),
        "hybrid": (Layout(2, 2), CONFIG, 8),
        "hybrid, in pieces": (Layout(2, 2), CONFIG, 1),
        "copies, in pieces": (Layout(4, 1), CONFIG, 1),
        "tied": (Layout(shard=4), tied, 1),
        "experts": (Layout(shard=4), experts, 1),
    }
    found = launch(tmp_path, cases)
    for name, (_, config, _) in cases.items():
        assert_equal(found[name], gradients(ALONE, config, 8))


@pytest.mark.slow
def test_parts_of_matrices_have_the_gradients_of_one_worker(tmp_path: Path) -> None:
    llama = configuration("llama")
    cases = {
        "parts and shards": (Layout(1, 2, 2), CONFIG, 1),
        "parts alone": (Layout(1, 1, 4), CONFIG, 8),
        "parts and copies": (Layout(2, 1, 2), CONFIG, 1),
        "llama": (Layout(1, 2, 2), llama, 8),
    }
    found = launch(tmp_path, cases)
    for name, (_, config, _) in cases.items():
        assert_equal(found[name], gradients(ALONE, config, 8))


@pytest.mark.slow
@pytest.mark.parametrize("layout", [{"replicate": 2}, {"tensor": 2}], ids=str)
def test_fewer_workers_go_on_from_the_state_of_any_layout(
    tmp_path: Path, layout: dict[str, int]
) -> None:
    """Four workers write it and resume it once; three, two and one go on with the losses of one.

    What three and two load of its weights and moments equals the state to the bit.
    """
    alone, four = make_storage(tmp_path / "alone"), make_storage(tmp_path / "four")
    run(alone)
    fields = {"layout": layout, "micro_batch": 1}
    jobs = [(four, {"stop": stop, **fields}) for stop in (1, 3)]
    jobs += [(four, {"start": 6 - n, "stop": 7 - n, "workers": n}) for n in (3, 2)]
    assert launch_trainings(4, jobs) == [0] * 4
    run(four, start=5)
    expected = {line["step"]: line["loss"] for line in history(alone, 6)}
    for stop in (3, 4, 5, 6):
        line = history(four, stop)[-1]
        assert line["loss"] == pytest.approx(expected[line["step"]], abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        ("gpt_neox", {}, r"4 heads do not divide\. Take one of 1, 2, 4"),
        ("qwen3", {}, "replicated_with_grad_allreduce in their plan"),
        ("mamba", {}, "no plan"),
    ],
)
def test_a_model_whose_matrices_cannot_be_divided_is_refused(
    kind: str, fields: dict[str, int], problem: str
) -> None:
    config = hugging_face_config(configuration(kind, **fields))
    with pytest.raises(InputError, match=problem):
        plan_of(config, 3)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("cohere", {"use_qk_norm": True}), ("phi", {"qk_layernorm": True})],
    ids=["cohere", "phi"],
)
def test_norms_of_heads_that_a_plan_leaves_out_are_refused(
    kind: str, fields: dict[str, bool]
) -> None:
    """Each worker would have only its own heads' part of their gradients, and nobody would know."""
    model = empty_model(ModelSpec(configuration(kind, **fields)), 16)
    with pytest.raises(InputError, match=r"leaves out layers\.0\.self_attn\.q_"):
        divide_matrices(model, cast(DeviceMesh, Mock(size=lambda: 2)))


def test_the_large_model_of_the_paper_divides_by_its_heads() -> None:
    config = hugging_face_config(PRESETS["gpt-neox-9.6b"])
    for parts in (2, 4, 6, 12):
        assert len(plan_of(config, parts)) == 4
    with pytest.raises(InputError, match="Take one of 1, 2, 3, 4, 6, 9, 12, 18, 36"):
        plan_of(config, 8)


def test_one_worker_has_the_gradients_of_a_model_without_layout() -> None:
    plain = whole_model(ModelSpec(CONFIG), 16, 0).train()
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(0, plain.vocabulary, (8, 17), generator=generator)
    (plain(rows) / (8 * 16)).backward()
    found = gradients(ALONE, CONFIG, 8)
    for name, parameter in plain.named_parameters():
        assert parameter.grad is not None
        assert torch.equal(found[name], parameter.grad), name


def test_a_small_model_is_one_unit_and_a_larger_one_has_several(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def units() -> int:
        model = shard_model(whole_model(ModelSpec(CONFIG), 16, 0), ALONE, torch.float32)
        return sum(isinstance(module, FSDPModule) for module in model.modules())

    assert units() == 1
    one = gradients(ALONE, CONFIG, 3)
    monkeypatch.setattr("raycl.train.parallel.sharding.ONE_UNIT_BYTES", 0)
    assert units() == 4
    several = gradients(ALONE, CONFIG, 3)
    assert all(torch.equal(several[name], gradient) for name, gradient in one.items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_float32_whatever_a_step_computes_in(dtype: torch.dtype) -> None:
    found = gradients(ALONE, CONFIG, 3, dtype)
    assert {gradient.dtype for gradient in found.values()} == {torch.float32}


def test_the_residual_stream_of_bfloat16_is_bfloat16() -> None:
    model = shard_model(whole_model(ModelSpec(CONFIG), 16, 0), ALONE, torch.bfloat16)
    seen: list[torch.dtype] = []
    for block in sharding_units(model, 1):
        block.register_forward_hook(lambda *given: seen.append(given[2].dtype))
    model(torch.zeros(1, 17, dtype=torch.int64))
    assert seen == [torch.bfloat16] * 3


def test_weights_are_cast_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model = shard_model(whole_model(ModelSpec(CONFIG), 16, 0), ALONE, torch.bfloat16)
    weight = model.model.get_output_embeddings().weight
    rows = torch.zeros(4, 17, dtype=torch.int64)
    places = []
    forward = type(model).forward

    def noted(self: object, piece: torch.Tensor) -> torch.Tensor:
        head = model.model.get_output_embeddings().weight
        places.append((head.dtype, id(head)))
        # A weight that was cast again would overwrite this.
        if len(places) == 1:
            head.data[0, 0] = 7.0
        assert head.data[0, 0] == 7.0
        return forward(self, piece)  # type: ignore[arg-type]

    monkeypatch.setattr(type(model), "forward", noted)
    accumulate_gradients(model, rows[:, None], ALONE, 64)
    assert len(places) == 4
    assert {dtype for dtype, _ in places} == {torch.bfloat16}
    assert model.model.get_output_embeddings().weight.dtype == weight.dtype == torch.float32


def test_embedding_and_blocks_are_units_and_the_rest_is_the_models_own() -> None:
    model = whole_model(ModelSpec(CONFIG), 16, 0)
    embedding, *blocks = sharding_units(model, 2)
    assert embedding is model.model.get_input_embeddings()
    assert [type(block).__name__ for block in blocks] == ["GPTNeoXLayer"] * 2
    tied = whole_model(ModelSpec({**CONFIG, "tie_word_embeddings": True}), 16, 0)
    assert [type(unit).__name__ for unit in sharding_units(tied, 2)] == ["GPTNeoXLayer"] * 2


def test_a_model_without_known_blocks_is_not_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    model = whole_model(ModelSpec(CONFIG), 16, 0)
    monkeypatch.setattr("raycl.train.parallel.units.transformer_blocks", lambda _: [])
    assert len(sharding_units(model, 1)) == 1
    with pytest.raises(InputError, match=r"blocks were not found.*workers: 1"):
        sharding_units(model, 2)


def test_a_forward_pass_alone_leaves_nothing_gathered() -> None:
    model = shard_model(whole_model(ModelSpec(CONFIG), 16, 0), ALONE, torch.bfloat16)
    with torch.no_grad():
        model(torch.zeros(1, 17, dtype=torch.int64))
    reshard(model)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 4))
def test_a_layout_has_all_workers(hosts: int, on_each: int, tensor: int) -> None:
    workers = hosts * on_each
    assert chosen_layout("auto", workers, hosts) == Layout(hosts, on_each)
    if on_each % tensor == 0:
        choice = LayoutChoice(tensor=tensor)
        assert chosen_layout(choice, workers, hosts) == Layout(hosts, on_each // tensor, tensor)
        assert chosen_layout(choice, workers, hosts).workers == workers


def test_a_layout_that_does_not_divide_the_workers_is_refused() -> None:
    with pytest.raises(InputError, match=r"6 workers do not divide into 4 × 1"):
        chosen_layout(LayoutChoice(replicate=4), 6)


def test_small_weights_stay_gathered() -> None:
    assert keeps_gathered(Layout(shard=8), KEPT_BYTES)
    assert not keeps_gathered(Layout(shard=8), KEPT_BYTES + 1)
    assert keeps_gathered(Layout(replicate=8), 10 * KEPT_BYTES)


def test_peers_of_a_tensor_read_and_count_once() -> None:
    worlds = [World(rank, 8, torch.device("cpu"), Layout(2, 2, 2)) for rank in range(8)]
    assert [world.reader for world in worlds] == [0, 0, 1, 1, 2, 2, 3, 3]
