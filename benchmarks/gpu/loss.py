"""The chunked loss: its gradient against float64, and its speed and memory alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch

from benchmarks.gpu.report import Bench, Row
from benchmarks.gpu.speed import whole_logits_loss
from benchmarks.gpu.timing import milliseconds
from raycl.train.model.loss import summed_cross_entropy

_CHECKED_TOKENS = 2048
Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def loss(bench: Bench) -> Iterator[Row]:
    """Accuracy, then time and memory against logits that are made whole."""
    tokens = min(_CHECKED_TOKENS, bench.sizes.loss_tokens)
    hidden, weight, targets = _inputs(bench, tokens)
    exact = _gradients(whole64, hidden.double(), weight.double(), targets)
    for name, function in (("chunked", summed_cross_entropy), ("whole logits", whole_logits_loss)):
        found = _gradients(function, hidden, weight, targets)
        error = max(
            float((ours.double() - right).norm() / right.norm())
            for ours, right in zip(found, exact, strict=True)
        )
        met = error <= 0.01 if name == "chunked" else None
        yield Row(f"{name}: gradient against float64", error, "within 1 %", met)
    yield from _costs(bench)


def _costs(bench: Bench) -> Iterator[Row]:
    inputs = _inputs(bench, bench.sizes.loss_tokens)
    for name, function in (("chunked", summed_cross_entropy), ("whole logits", whole_logits_loss)):
        bench.forget()
        try:
            took = milliseconds(bench, partial(_gradients, function, *inputs), 5, warmup=2)
        except torch.cuda.OutOfMemoryError:
            yield Row(f"{name}: {bench.sizes.loss_tokens:,} tokens", "out of memory")
            continue
        value = {"ms": round(took, 2), "GiB": round(bench.peak_gib(), 2)}
        yield Row(f"{name}: {bench.sizes.loss_tokens:,} tokens", value)


def _inputs(bench: Bench, tokens: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    config = bench.sizes.large.config
    width, vocabulary = config["hidden_size"], config["vocab_size"]
    generator = torch.Generator(bench.device).manual_seed(0)
    random = partial(torch.randn, device=bench.device, generator=generator)
    weight = random(vocabulary, width).mul_(width**-0.5).bfloat16()
    targets = torch.randint(vocabulary, (tokens,), device=bench.device, generator=generator)
    return random(tokens, width).bfloat16(), weight, targets


def _gradients(
    function: Loss, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    hidden, weight = hidden.detach().requires_grad_(), weight.detach().requires_grad_()
    return torch.autograd.grad(function(hidden, weight, targets) / len(targets), (hidden, weight))


def whole64(hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The reference: log-sum-exp of all logits in float64, minus the target's logit."""
    logits = hidden @ weight.t()
    return (logits.logsumexp(1) - logits.gather(1, targets[:, None])[:, 0]).sum()
