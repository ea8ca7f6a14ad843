"""Counts what a model's forward pass keeps for the backward pass, on the meta device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode  # no public name; torch's docs use it

from raycl.plan.memory import Activations

_PRODUCTS = frozenset({"mm", "addmm", "bmm"})
"""Operations whose results selective checkpointing keeps; those of fused attention come on top."""


class _FusedAttention(torch.autograd.Function):
    """Keeps what the fused kernels of attention keep; the meta device would take the plain one."""

    @staticmethod
    def forward(ctx: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> Any:
        rows, heads, length = query.shape[:3]
        # The kernels write [row, position, head, width], so that merging the heads copies nothing.
        out = query.new_empty(rows, length, heads, value.shape[-1]).transpose(1, 2)
        sums = query.new_empty((rows, heads, length), dtype=torch.float32)
        ctx.save_for_backward(query, key, value, out, sums)
        return out


class _OnMeta(TorchFunctionMode):
    """Lets models run without values: fused attention, and every question answered with yes.

    transformers asks whether the positions of a row are one sequence, which they are here. `count`
    is told the bytes of the results of attention.
    """

    def __init__(self, count: Callable[[int], None]) -> None:
        super().__init__()
        self._count = count

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is functional.scaled_dot_product_attention:
            out = _FusedAttention.apply(*args[:3])  # type: ignore[no-untyped-call]
            self._count(out.nbytes + 4 * out[..., 0].numel())
            return out
        if function is torch.Tensor.__bool__ and args[0].is_meta:
            return True
        return function(*args, **(kwargs or {}))


class _Products(TorchDispatchMode):
    """Adds up the bytes of products while `counts` says so."""

    def __init__(self, count: Callable[[int], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._count = count

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        made = function(*args, **(kwargs or {}))
        if function.overloadpacket.__name__ in _PRODUCTS and isinstance(made, torch.Tensor):
            self._count(made.nbytes)
        return made


@dataclass
class _Block:
    """Bytes of one block, or of what lies outside all of them."""

    saved: list[int] = field(default_factory=list)
    whole: int = 0
    products: int = 0
    input: int = 0


class _Counter:
    """Storages that autograd keeps, each once, by the block that computed them."""

    def __init__(self, model: nn.Module, length: int, width: int) -> None:
        self._parameters = [p.untyped_storage() for p in model.parameters()]
        self._own = {id(storage) for storage in self._parameters}
        self._seen: dict[int, Any] = {}  # holds storages, so that no identity comes twice
        self._residual = (length * width, width)
        self.outside = _Block()
        self.blocks: list[_Block] = []
        self._now = self.outside

    def enter(self, _: nn.Module, args: Any, kwargs: Any) -> None:
        """Begin a block; its first tensor is its input."""
        given = next((a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)), None)
        self._now = _Block(input=given.nbytes if given is not None else 0)
        self.blocks.append(self._now)

    def leave(self, *_: Any) -> None:
        """End the block."""
        self._now = self.outside

    def product(self, size: int) -> None:
        """Count the result of a product."""
        self._now.products += size

    def pack(self, tensor: torch.Tensor) -> torch.Tensor:
        """Count what autograd saves."""
        storage = tensor.untyped_storage()
        if id(storage) in self._own or id(storage) in self._seen:
            return tensor
        self._seen[id(storage)] = storage
        self._now.saved.append(storage.nbytes())
        if tensor.ndim <= 3 and (tensor.numel(), *tensor.shape[-1:]) == self._residual:
            self._now.whole += storage.nbytes()
        return tensor


@contextmanager
def _hooked(counter: _Counter, blocks: list[nn.Module]) -> Iterator[None]:
    handles = [b.register_forward_pre_hook(counter.enter, with_kwargs=True) for b in blocks]
    handles += [b.register_forward_hook(counter.leave) for b in blocks]
    try:
        with torch.autograd.graph.saved_tensors_hooks(counter.pack, lambda tensor: tensor):
            yield
    finally:
        for handle in handles:
            handle.remove()


def saved_bytes(model: Any, blocks: list[nn.Module], width: int, length: int) -> Activations:
    """What one row of `length` tokens keeps; `width` is that of the residual stream.

    `model` is a Hugging Face causal LM on the meta device, in the type of the computation. The head
    is left out. Raises whatever the class does where it needs values.
    """
    counter = _Counter(model, length, width)
    row = torch.zeros((1, length), dtype=torch.long, device="meta")
    model.train()
    with _hooked(counter, blocks), _Products(counter.product), _OnMeta(counter.product):
        model.base_model(input_ids=row, use_cache=False)
    found = counter.blocks
    # A block through which no gradient goes keeps nothing, whatever is computed again.
    passed = [block for block in found if block.saved]
    return Activations(
        outside=float(sum(counter.outside.saved)),
        blocks=float(sum(sum(block.saved) for block in found)),
        selective=float(sum(block.products + block.input for block in passed)),
        inputs=float(sum(block.input for block in passed)),
        largest=float(max((sum(block.saved) for block in found), default=0)),
        whole=float(sum(block.whole for block in found)),
        working=float(max((max(block.saved, default=0) for block in found), default=0)),
    )
