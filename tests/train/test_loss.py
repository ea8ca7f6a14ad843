"""The loss of the head: the same sum on every torch, without all logits at a time."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch.nn import functional

from raycl.plan.presets import PRESETS
from raycl.plan.training import ModelSpec
from raycl.train import loss
from raycl.train.fill import whole_model
from raycl.train.loss import CHUNK_TOKENS, chunked_cross_entropy, summed_cross_entropy
from raycl.train.model import (
    LanguageModel,
    checkpoint_activations,
    transformer_blocks,
)

TOKENS, HIDDEN, VOCABULARY = 2 * CHUNK_TOKENS + 100, 8, 50
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def plain(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(hidden @ weight.T, targets, reduction="sum")


def measured(of: Loss, dtype: torch.dtype) -> list[torch.Tensor]:
    """The loss, and its gradients by hidden states and weights."""
    generator = torch.Generator().manual_seed(0)
    hidden, weight = (
        torch.randn(count, HIDDEN, generator=generator, dtype=torch.float64).to(dtype)
        for count in (TOKENS, VOCABULARY)
    )
    targets = torch.randint(VOCABULARY, (TOKENS,), generator=generator)
    hidden.requires_grad_()
    weight.requires_grad_()
    total = of(hidden, weight, targets)
    return [total.detach(), *torch.autograd.grad(total, [hidden, weight])]


def without_the_operator() -> ModuleType:
    """The module as a torch before 2.13 would import it."""
    assert loss.__file__ is not None
    spec = importlib.util.spec_from_file_location("loss_of_an_older_torch", loss.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(torch.nn, "LinearCrossEntropyOptions", raising=False)
        spec.loader.exec_module(module)
    return module


def test_the_fallback_is_cross_entropy_to_the_last_digits_of_float64() -> None:
    expected, found = measured(plain, torch.float64), measured(chunked_cross_entropy, torch.float64)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-13, atol=1e-13)


def test_both_ways_agree_in_float32() -> None:
    exact = measured(plain, torch.float64)
    for way in (summed_cross_entropy, without_the_operator().summed_cross_entropy):
        for one, other in zip(exact, measured(way, torch.float32), strict=True):
            torch.testing.assert_close(other, one.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not hasattr(functional, "linear_cross_entropy"), reason="torch before 2.13")
def test_where_torch_has_the_operator_it_is_what_runs() -> None:
    options = torch.nn.LinearCrossEntropyOptions(chunking_method=None, batch_chunk_size=512)

    def operator(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return functional.linear_cross_entropy(
            hidden, weight, targets, reduction="sum", options=options
        )

    expected, found = (measured(of, torch.float32) for of in (operator, summed_cross_entropy))
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))


def test_an_older_torch_takes_the_fallback_and_keeps_no_logits() -> None:
    older = without_the_operator()
    fallback = measured(older.chunked_cross_entropy, torch.float32)
    found = measured(older.summed_cross_entropy, torch.float32)
    assert all(torch.equal(one, other) for one, other in zip(fallback, found, strict=True))
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    hidden = torch.randn(TOKENS, HIDDEN, requires_grad=True)
    weight, targets = torch.randn(VOCABULARY, HIDDEN), torch.zeros(TOKENS, dtype=torch.int64)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        older.summed_cross_entropy(hidden, weight, targets)
    assert max(kept, default=0) <= TOKENS * HIDDEN < CHUNK_TOKENS * VOCABULARY


@pytest.mark.parametrize("autocast", [False, True])
def test_bfloat16_sums_in_float32(autocast: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden, weight = (torch.randn(n, HIDDEN, generator=generator) for n in (TOKENS, VOCABULARY))
    targets = torch.randint(VOCABULARY, (TOKENS,), generator=generator)
    half = hidden.bfloat16(), weight.bfloat16()
    expected = functional.cross_entropy((half[0] @ half[1].T).float(), targets, reduction="sum")
    for module in (loss, without_the_operator()):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            given = (hidden, weight) if autocast else half
            assert torch.equal(module.summed_cross_entropy(*given, targets), expected)


def test_activations_are_checkpointed_under_either_name() -> None:
    """The name that the installed release deprecates is not called: that would warn."""
    model = whole_model(ModelSpec({**PRESETS["gpt-neox-tiny"], "vocab_size": 64}), 16, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checkpoint_activations(model)
    assert transformer_blocks(model)[0].gradient_checkpointing
    called: list[Any] = []
    older = SimpleNamespace(gradient_checkpointing_enable=called.append)
    checkpoint_activations(cast(LanguageModel, SimpleNamespace(model=older)))
    assert called == [{"use_reentrant": False}]
