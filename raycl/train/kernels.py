"""Which kernels a process uses while it trains or measures: settings of PyTorch as a whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

_FASTEST = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,
]
"""Attention on CUDA, the fastest first. PyTorch takes the first that can do what is asked."""
_REPEATABLE = [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
"""Those whose backward pass can add in the same order each time."""
_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


@contextmanager
def kernels(device: torch.device, deterministic: bool = False) -> Iterator[None]:
    """Have PyTorch take these kernels inside the `with` block, and what it took before afterwards.

    `deterministic` has the same step give the same bits on CUDA too; it costs speed. On a CPU a
    step does so anyway. cuBLAS reads its variable when it starts, so the block has to be entered
    before the first product on the device.
    """
    with ExitStack() as stack:
        if device.type == "cuda":
            order = _REPEATABLE if deterministic else _FASTEST
            stack.enter_context(sdpa_kernel(order, set_priority=True))
        if deterministic:
            stack.enter_context(_deterministic_algorithms())
        yield


@contextmanager
def _deterministic_algorithms() -> Iterator[None]:
    enabled = torch.are_deterministic_algorithms_enabled()
    warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, workspace = torch.backends.cudnn.benchmark, os.environ.get(_WORKSPACE)
    os.environ.setdefault(_WORKSPACE, ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warns_only)
        torch.backends.cudnn.benchmark = benchmark
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)
