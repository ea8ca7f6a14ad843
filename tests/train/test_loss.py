"""The loss of the head: cross entropy of all logits, which never exist at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from raycl.train.model.loss import CPU_CHUNK, summed_cross_entropy

TOKENS, HIDDEN, VOCABULARY = 2 * CPU_CHUNK + 100, 8, 50


@dataclass(frozen=True)
class Given:
    """One head with its tokens, in float64."""

    hidden: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor | None
    targets: torch.Tensor
    soft_cap: float | None = None
    scale: float = 1.0

    def expected(self, of: torch.dtype) -> list[torch.Tensor]:
        """Loss and gradients by float64's plain cross entropy of inputs rounded to a type."""
        parts = self.parts(of, torch.float64)
        logits = functional.linear(parts[0], parts[1], parts[2] if len(parts) > 2 else None)
        logits = logits * self.scale
        if self.soft_cap is not None:
            logits = self.soft_cap * torch.tanh(logits / self.soft_cap)
        total = functional.cross_entropy(logits, self.targets, reduction="sum", ignore_index=-1)
        return [total.detach(), *torch.autograd.grad(total, parts)]

    @property
    def largest_logit(self) -> float:
        """The largest absolute value of a logit, before a soft cap."""
        logits = functional.linear(self.hidden, self.weight, self.bias)
        return float(logits.abs().max()) * self.scale

    def found(self, of: torch.dtype) -> list[torch.Tensor]:
        """The same by `summed_cross_entropy` in that type."""
        parts = self.parts(of, of)
        total = self.total(parts)
        return [total.detach(), *torch.autograd.grad(total, parts)]

    def total(self, parts: list[torch.Tensor]) -> torch.Tensor:
        """The sum, from hidden states, weight and perhaps bias."""
        return summed_cross_entropy(
            parts[0],
            parts[1],
            self.targets,
            soft_cap=self.soft_cap,
            scale=self.scale,
            bias=parts[2] if len(parts) > 2 else None,
        )

    def parts(self, of: torch.dtype, kind: torch.dtype) -> list[torch.Tensor]:
        """Hidden states, weight and perhaps bias, rounded to `of`, as leaves of type `kind`."""
        given = [p for p in (self.hidden, self.weight, self.bias) if p is not None]
        return [part.to(of).to(kind).requires_grad_() for part in given]


def made(tokens: int = TOKENS, vocabulary: int = VOCABULARY, bias: bool = False) -> Given:
    """A head and tokens of which every seventh is ignored."""
    generator = torch.Generator().manual_seed(tokens)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    targets = torch.randint(vocabulary, (tokens,), generator=generator)
    targets[::7] = -1
    return Given(
        draw(tokens, HIDDEN),
        draw(vocabulary, HIDDEN),
        draw(vocabulary) if bias else None,
        targets,
    )


@st.composite
def heads(draw: st.DrawFn) -> Given:
    """Heads of all kinds, over one to three chunks."""
    tokens = draw(st.sampled_from([1, 2, 30, CPU_CHUNK, CPU_CHUNK + 1, TOKENS]))
    head = made(tokens, draw(st.integers(2, 60)), draw(st.booleans()))
    return Given(
        head.hidden,
        head.weight,
        head.bias,
        head.targets,
        draw(st.none() | st.floats(1.0, 50.0)),
        draw(st.sampled_from([1.0, 0.0625, 0.7, 2.0])),
    )


def gap(one: torch.Tensor, other: torch.Tensor) -> float:
    """The distance of two tensors relative to the second's norm, or to 1."""
    return float((one.double() - other).norm() / other.norm().clamp(min=1e-2))


@settings(max_examples=60, deadline=None)
@given(heads())
def test_loss_and_gradients_are_those_of_float64(head: Given) -> None:
    # Eight bits of a logit are left, so that a probability of a large one is off by so much.
    rough = max(1e-2, 2**-8 * head.largest_logit)
    for kind, limit in ((torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, rough)):
        found, expected = head.found(kind), head.expected(kind)
        for part, exact in zip(found, expected, strict=True):
            assert gap(part, exact) < limit, kind
        assert [part.dtype for part in found[1:]] == [kind] * (len(found) - 1)
        assert found[0].dtype == (torch.float64 if kind == torch.float64 else torch.float32)


def test_without_gradients_the_loss_is_the_same_and_forms_none() -> None:
    head = made(bias=True)
    parts = head.parts(torch.float32, torch.float32)
    with torch.no_grad():
        silent = head.total(parts)
    assert not silent.requires_grad
    assert torch.equal(silent, head.total(parts).detach())
    assert not head.total([part.detach() for part in parts]).requires_grad


@pytest.mark.parametrize("trained", [0, 1, 2])
def test_each_part_alone_has_its_gradient(trained: int) -> None:
    head = made(bias=True)
    every = head.found(torch.float32)
    parts = [p.detach() for p in head.parts(torch.float32, torch.float32)]
    parts[trained].requires_grad_()
    head.total(parts).backward()
    assert torch.equal(parts[trained].grad, every[1 + trained])  # type: ignore[arg-type]


def test_under_autocast_products_are_bfloat16_and_sums_float32() -> None:
    """Float32 weights get a float32 gradient, which is not rounded on the way."""
    head = made()
    parts = head.parts(torch.bfloat16, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        total = head.total(parts)
    found = [total.detach(), *torch.autograd.grad(total, parts)]
    assert [part.dtype for part in found] == [torch.float32] * 3
    for part, exact in zip(found, head.expected(torch.bfloat16), strict=True):
        assert gap(part, exact) < 1e-2


class Largest(TorchDispatchMode):
    """Notes the most elements of any result."""

    elements = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, given: Any = (), kwargs: Any = None
    ) -> Any:
        result = function(*given, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.elements = max(self.elements, result.numel())
        return result


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_no_more_logits_exist_than_those_of_a_chunk(kind: torch.dtype) -> None:
    head = made(vocabulary=1000)
    parts = head.parts(kind, kind)
    with Largest() as largest:  # type: ignore[no-untyped-call]
        head.total(parts).backward()
    assert largest.elements == CPU_CHUNK * 1000


def test_gradients_follow_the_factor_that_comes_back_and_nan_reaches_all() -> None:
    head = made()
    parts = head.parts(torch.float32, torch.float32)
    once = head.found(torch.float32)[1:]
    thrice = torch.autograd.grad(3 * head.total(parts), parts)
    assert all(torch.equal(3 * one, three) for one, three in zip(once, thrice, strict=True))
    lost = torch.autograd.grad(torch.nan * head.total(parts), parts)
    assert all(bool(part.isnan().all()) for part in lost)


def test_a_factor_is_not_rounded_to_the_type_of_the_gradients() -> None:
    """In bfloat16 this factor is 0.2 % less, and so would all gradients and their norm be."""
    head, factor = made(), 0.9275
    parts = head.parts(torch.bfloat16, torch.bfloat16)
    found = torch.autograd.grad(factor * head.total(parts), parts)
    for part, once in zip(found, head.found(torch.bfloat16)[1:], strict=True):
        ratio = float(part.double().norm() / once.double().norm())
        assert ratio == pytest.approx(factor, abs=5e-4)


def test_a_tied_weight_gets_both_of_its_gradients() -> None:
    weight = torch.randn(VOCABULARY, HIDDEN, requires_grad=True)
    tokens = torch.arange(20)
    summed_cross_entropy(functional.embedding(tokens, weight), weight, tokens + 1).backward()
    found = weight.grad
    weight.grad = None
    logits = functional.embedding(tokens, weight) @ weight.T
    functional.cross_entropy(logits, tokens + 1, reduction="sum").backward()
    torch.testing.assert_close(found, weight.grad, rtol=1e-5, atol=1e-5)


def test_a_second_derivative_is_refused() -> None:
    head = made(10)
    parts = head.parts(torch.float32, torch.float32)
    (first,) = torch.autograd.grad(head.total(parts), parts[0], create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        first.sum().backward()
