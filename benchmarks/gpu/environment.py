"""Versions, the device, and the back ends of attention that it has."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from benchmarks.gpu.report import Bench, Row
from benchmarks.gpu.timing import milliseconds


def environment(bench: Bench) -> Iterator[Row]:
    """What the other sections' numbers belong to."""
    yield Row("python", platform.python_version())
    yield Row("torch", torch.__version__)
    yield Row("transformers", transformers.__version__)
    for package in ("flash_attn", "triton", "ray"):
        found = importlib.util.find_spec(package) is not None
        yield Row(package, "installed" if found else "not installed")
    if not bench.cuda:
        yield Row("device", "cpu")
    else:
        properties = torch.cuda.get_device_properties(bench.device)
        yield Row("device", f"{properties.name}, {properties.total_memory / 2**30:.1f} GiB")
        yield Row("CUDA, cuDNN", f"{torch.version.cuda}, {torch.backends.cudnn.version()}")
        yield from _matrix_product(bench)
    yield from _attention(bench)


def _matrix_product(bench: Bench) -> Iterator[Row]:
    """What the card does at best: data sheets count TFLOP/s that no product reaches."""
    matrix = torch.randn(8192, 8192, device=bench.device, dtype=torch.bfloat16)
    took = milliseconds(bench, lambda: matrix @ matrix, 20)
    yield Row("8192³ product, bfloat16, TFLOP/s", round(2 * 8192**3 / took / 1e9))


def _attention(bench: Bench) -> Iterator[Row]:
    """Time of causal attention, forward and backward, by each back end that works."""
    shape = (8, 16, 2048, 64) if bench.cuda else (1, 2, 16, 8)
    query, key, value = (
        torch.randn(shape, device=bench.device, dtype=torch.bfloat16, requires_grad=True)
        for _ in range(3)
    )

    def attend() -> None:
        scaled_dot_product_attention(query, key, value, is_causal=True).sum().backward()

    for back_end in (
        SDPBackend.CUDNN_ATTENTION,
        SDPBackend.FLASH_ATTENTION,
        SDPBackend.EFFICIENT_ATTENTION,
        SDPBackend.MATH,
    ):
        name = f"SDPA {back_end.name}, 8 × 2048 × 16 × 64, ms"
        try:
            with sdpa_kernel(back_end):
                yield Row(name, round(milliseconds(bench, attend, 5), 3))
        except RuntimeError as error:
            yield Row(name, f"not here: {str(error).splitlines()[0][:80]}")
