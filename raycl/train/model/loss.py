"""The loss of a language model's head: summed cross entropy, without all logits at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

# Tokens whose logits exist at a time. On the CPU chunks of 512 tokens measure fastest, because
# their logits stay in its caches (benchmarks/README.md). On a GPU chunks of 8,192 tokens fill it,
# and their logits in float32 and their gradients take 2.4 GB of memory with 50,000 tokens.
CPU_CHUNK, CUDA_CHUNK = 512, 8192


def summed_cross_entropy(  # noqa: PLR0913 (each is a part of the formula)
    hidden: torch.Tensor,
    weight: torch.Tensor,
    targets: torch.Tensor,
    *,
    soft_cap: float | None = None,
    scale: float = 1.0,
    bias: torch.Tensor | None = None,
    weights: torch.Tensor | None = None,
    each: list[torch.Tensor] | None = None,
) -> torch.Tensor:
    """Σ cross entropy (nats): [tokens, h], [V, h], [tokens] int64 and bias [V] to a float32 scalar.

    Logits are `scale · (hidden @ weight.T + bias)`, then `soft_cap · tanh(logits / soft_cap)`.
    Targets below 0 are ignored; `weights` [tokens] in float32 multiply the others. The product is
    taken in autocast's type, else in that of `hidden`; logits and loss are float32 (float64 for
    float64), and exist for one chunk of tokens at a time. Where no gradient is
    asked for, `each` gets the terms of the sum, in order. The forward pass forms the gradients as
    well, where they are asked for: that of the weight is summed over chunks in float32. A second
    derivative raises RuntimeError.
    """
    head = Head(soft_cap, scale)
    parts = [part for part in (hidden, weight, bias) if part is not None]
    if torch.is_grad_enabled() and any(part.requires_grad for part in parts):
        total: torch.Tensor = _SummedCrossEntropy.apply(  # type: ignore[no-untyped-call]
            hidden, weight, bias, Targets(targets, weights), head
        )
        return total
    wanted = Targets(targets, weights, each)
    return _formed(hidden, weight, bias, wanted, head, (False, False, False))[0]


@dataclass(frozen=True)
class Targets:
    """Token ids [tokens], those below 0 ignored, and how much each counts; None: all alike."""

    ids: torch.Tensor
    weights: torch.Tensor | None = None
    losses: list[torch.Tensor] | None = None
    """Gets the cross entropies of each chunk; None: only their sum is wanted."""

    def split(self, size: int) -> Iterator[Targets]:
        """In chunks of so many tokens."""
        ids = self.ids.split(size)
        weights = [None] * len(ids) if self.weights is None else self.weights.split(size)
        return (Targets(i, w, self.losses) for i, w in zip(ids, weights, strict=True))

    @property
    def counted(self) -> torch.Tensor:
        """[tokens, 1]: whether each counts, or how much."""
        counted = (self.ids >= 0).unsqueeze(1)
        return counted if self.weights is None else counted * self.weights.unsqueeze(1)


@dataclass(frozen=True)
class Head:
    """What a model does with the product of its head to get its logits."""

    soft_cap: float | None = None
    """c of `c · tanh(logits / c)`; None: no cap."""
    scale: float = 1.0
    """Factor on the product and its bias, before the cap."""

    def logits(self, product: torch.Tensor) -> torch.Tensor:
        """The logits, in place of the product where possible."""
        if self.scale != 1.0:
            product = product.mul_(self.scale)
        if self.soft_cap is not None:
            product = product.div_(self.soft_cap).tanh_().mul_(self.soft_cap)
        return product

    def slope(self, logits: torch.Tensor) -> torch.Tensor | None:
        """Derivative of capped logits by uncapped ones; None where it is 1."""
        if self.soft_cap is None:
            return None
        return (logits / self.soft_cap).square_().neg_().add_(1.0)


_Gradients = tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]


class _SummedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: Targets,
        head: Head,
    ) -> torch.Tensor:
        total, gradients = _formed(hidden, weight, bias, targets, head, ctx.needs_input_grad[:3])
        ctx.save_for_backward(*gradients)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return *(g if g is None else _scaled(g, factor) for g in ctx.saved_tensors), None, None


def _formed(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    targets: Targets,
    head: Head,
    wanted: tuple[bool, bool, bool],
) -> tuple[torch.Tensor, _Gradients]:
    """The sum and the wanted gradients, each in the type of what it belongs to."""
    device = hidden.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype
    with torch.no_grad(), torch.autocast(device, enabled=False):
        sums = _Sums(weight.to(kind), bias, head, hidden.dtype, wanted)
        chunk = CUDA_CHUNK if device == "cuda" else CPU_CHUNK
        for piece, target in zip(hidden.split(chunk), targets.split(chunk), strict=True):
            sums.add(piece.to(kind), target)
        return sums.total, sums.gradients(hidden, weight, bias)


class _Sums:
    """The loss and the gradients of the chunks so far."""

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        head: Head,
        hidden_type: torch.dtype,
        wanted: tuple[bool, bool, bool],
    ) -> None:
        self._weight, self._bias, self._head, self._hidden_type = weight, bias, head, hidden_type
        self._of_hidden, self._of_weight, self._of_bias = wanted
        wide = torch.promote_types(weight.dtype, torch.float32)
        self.total = weight.new_zeros((), dtype=wide)
        self._hidden: list[torch.Tensor] = []
        self._by_weight = weight.new_zeros(weight.shape if self._of_weight else (0,), dtype=wide)
        self._by_bias = weight.new_zeros(weight.shape[:1] if self._of_bias else (0,), dtype=wide)

    def add(self, hidden: torch.Tensor, targets: Targets) -> None:
        """Take in a chunk of tokens."""
        logits = _product(hidden, self._weight.t())
        if self._bias is not None:
            logits += self._bias
        logits = self._head.logits(logits)
        counted = targets.counted
        wanted = targets.ids.clamp(min=0).unsqueeze(1)
        logarithms = torch.log_softmax(logits, dim=1)
        found = logarithms.gather(1, wanted)
        terms = found * counted
        self.total -= terms.sum()
        if targets.losses is not None:
            targets.losses.append(-terms.squeeze(1))
        if self._of_hidden or self._of_weight or self._of_bias:
            errors = _exponential(logarithms, hidden.dtype)
            errors.scatter_(1, wanted, (found.exp() - 1).to(errors.dtype))
            slope = self._head.slope(logits)
            self._differentiate(hidden, errors if slope is None else errors.mul_(slope), counted)

    def _differentiate(
        self, hidden: torch.Tensor, errors: torch.Tensor, counted: torch.Tensor
    ) -> None:
        """Add the gradients of a chunk: `errors` [tokens, V] are those by the scaled product."""
        # An ignored token is taken out of the narrow factors: its row of errors is wide.
        if self._of_hidden:
            by_hidden = _times(errors @ self._weight, counted)
            self._hidden.append(by_hidden.mul_(self._head.scale).to(self._hidden_type))
        if self._of_weight:
            _add_product(self._by_weight, errors.t(), _times(hidden, counted))
        if self._of_bias:
            kind = errors.dtype if counted.dtype == torch.bool else counted.dtype
            _add_product(self._by_bias.unsqueeze(1), errors.t().to(kind), counted.to(kind))

    def gradients(
        self, hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
    ) -> _Gradients:
        """The gradients of all chunks by hidden states, weight and bias, where they are wanted."""
        scale = self._head.scale
        for summed in (self._by_weight, self._by_bias):
            if scale != 1.0:
                summed.mul_(scale)
        return (
            torch.cat(self._hidden).view(hidden.shape) if self._of_hidden else None,
            self._by_weight.to(weight.dtype) if self._of_weight else None,
            self._by_bias.to(bias.dtype) if bias is not None and self._of_bias else None,
        )


def _times(values: torch.Tensor, counted: torch.Tensor) -> torch.Tensor:
    """The product in the type of the values; weights are multiplied in their own, as `_scaled`."""
    if counted.dtype == torch.bool:
        return values * counted.to(values.dtype)
    return _scaled(values, counted)


def _scaled(gradient: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """The product, rounded once: a factor in bfloat16 would be wrong by up to 0.2 %."""
    wide = torch.promote_types(gradient.dtype, factor.dtype)
    return gradient.to(wide).mul(factor).to(gradient.dtype)


def _exponential(values: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    """eˣ in another type by one pass, or in place."""
    if values.dtype == kind:
        return values.exp_()
    return torch.exp(values, out=torch.empty_like(values, dtype=kind))


def _product(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The matrix product in float32 or wider."""
    if left.dtype in (torch.float32, torch.float64):
        return left @ right
    if left.device.type == "cuda":
        return torch.mm(left, right, out_dtype=torch.float32)
    return (left @ right).float()  # the CPU has no product that leaves float32 unrounded


def _add_product(total: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> None:
    """Add the matrix product to a total in float32 or wider."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += _product(left, right)
