"""Activation checkpointing: what is kept, what is computed again, and compiled blocks."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters
from torch.utils._python_dispatch import TorchDispatchMode

from raycl.plan.execution import Execution, Recomputation
from raycl.plan.training import ModelSpec
from raycl.train.model.language_model import LanguageModel, transformer_blocks
from raycl.train.parallel.recompute import recompute_blocks
from raycl.train.parallel.sharding import shard_model
from raycl.train.parallel.world import World
from raycl.train.start.fill import whole_model
from tests.helpers.training_runs import CONFIG

ALONE = World(0, 1, torch.device("cpu"))
ROWS = torch.randint(0, 64, (4, 17), generator=torch.Generator().manual_seed(0))
FOUR = {**CONFIG, "num_hidden_layers": 4}


def model_with(kind: Recomputation) -> LanguageModel:
    model = whole_model(ModelSpec(CONFIG), 16, 0).train()
    recompute_blocks(transformer_blocks(model), kind)
    return model


def kept_bytes(model: LanguageModel) -> int:
    """Bytes of the activations that a forward pass keeps, each storage counted once."""
    kept: dict[int, int] = {}
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        alive = model(ROWS)
    assert alive.requires_grad
    return sum(kept.values())


class Counting(TorchDispatchMode):
    """Counts operations by name."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.calls[function._schema.name.removeprefix("aten::")] += 1
        return function(*args, **(kwargs or {}))


def calls(kind: Recomputation) -> Counter[str]:
    """The operations of a forward and a backward pass."""
    model = model_with(kind)
    counting = Counting()
    with counting:
        model(ROWS).backward()
    return counting.calls


def test_full_keeps_the_least_and_selective_computes_no_product_again() -> None:
    products = {kind: calls(kind) for kind in ("none", "selective", "full")}
    for name in ("addmm", "_scaled_dot_product_flash_attention_for_cpu"):
        found = {kind: products[kind][name] for kind in products}
        assert 0 < found["none"] == found["selective"] < found["full"], name
    for kind in ("selective", "full"):
        assert products[kind]["gelu"] > products["none"]["gelu"]
    assert kept_bytes(model_with("full")) < kept_bytes(model_with("none"))


@pytest.mark.parametrize("kind", ["none", "selective", "full"])
def test_names_and_gradients_stay_the_same(kind: Recomputation) -> None:
    plain, other = model_with("auto"), model_with(kind)
    plain(ROWS).backward()
    other(ROWS).backward()
    expected, found = dict(plain.named_parameters()), dict(other.named_parameters())
    assert found.keys() == expected.keys()
    for name, parameter in expected.items():
        assert parameter.grad is not None
        assert torch.equal(found[name].grad, parameter.grad), name  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["none", "selective", "full"])
def test_all_blocks_share_one_graph_without_breaks(
    kind: Recomputation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The graph is run as it is: what a compiler makes of it would take the test a minute."""
    compile_module = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self: compile_module(self, backend="aot_eager")
    )
    torch._dynamo.reset()
    counters.clear()
    execution = Execution(compile=True, activation_checkpointing=kind)
    model = shard_model(
        whole_model(ModelSpec(FOUR), 16, 0).train(), ALONE, torch.float32, execution
    )
    for _ in range(2):
        model(ROWS).backward()
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


def test_blocks_are_compiled_on_cuda_unless_the_recipe_says_otherwise() -> None:
    assert [Execution().compiles(device) for device in ("cpu", "cuda")] == [False, True]
    assert Execution(compile=True).compiles("cpu")
    assert not Execution(compile=False).compiles("cuda")


def test_earlier_recipes_turn_checkpointing_on_and_off() -> None:
    kinds = [Execution.model_validate({"activation_checkpointing": flag}) for flag in (True, False)]
    assert [kind.activation_checkpointing for kind in kinds] == ["full", "none"]
