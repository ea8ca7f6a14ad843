"""What common accelerators compute at best, so that a speed can be told as a share of it (MFU).

Dense rates (without sparsity) of the makers' data sheets:

- NVIDIA A100, H100, H200, B200, A10, L4, L40S, V100, T4: "Tensor Core GPU" data sheets at
  nvidia.com/en-us/data-center; where a sheet gives a rate with sparsity, half of it stands here.
  B200: the sheet of HGX B200, divided by its 8 GPUs. A10G: the A10G data sheet.
- GeForce RTX: the architecture white papers of Ampere GA102 (appendix A) and Ada (appendix A);
  bfloat16 with float32 accumulation.
- AMD MI250X (both dies; PyTorch sees each as a device, so half of it stands here) and MI300X: data
  sheets at amd.com/en/products/accelerators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Arithmetic = Literal["bfloat16", "tf32", "float32"]
"""How matrices are multiplied; `tf32` is float32 with PyTorch's matmul precision below highest."""


@dataclass(frozen=True)
class Peak:
    """Dense rates in TFLOPS; None where the card has no such arithmetic."""

    bfloat16: float | None
    tf32: float | None
    float32: float


_PEAKS: tuple[tuple[str, Peak], ...] = (
    # A name that is the beginning of another one stands behind it.
    ("B200", Peak(2250, 1125, 75)),
    ("H200 NVL", Peak(835.5, 417.5, 60)),
    ("H200", Peak(989.4, 494.7, 67)),
    ("H100 PCIe", Peak(756, 378, 51)),
    ("H100 NVL", Peak(835.5, 417.5, 60)),
    ("H100", Peak(989.4, 494.7, 67)),
    ("A100", Peak(312, 156, 19.5)),
    ("A10G", Peak(70, 35, 31.2)),
    ("A10", Peak(125, 62.5, 31.2)),
    ("L40S", Peak(362.05, 183.2, 91.6)),
    ("L4", Peak(121, 60, 30.3)),
    ("RTX 4090", Peak(165.2, 82.6, 82.6)),
    ("RTX 3090", Peak(71, 35.6, 35.6)),
    ("V100 PCIE", Peak(None, None, 14)),
    ("V100", Peak(None, None, 15.7)),
    ("T4", Peak(None, None, 8.1)),
    ("MI250X", Peak(191.5, None, 47.9)),
    ("MI300X", Peak(1307.4, 653.7, 163.4)),
)
_OTHERS = frozenset({"laptop", "ti", "d", "mig"})
"""Words that make another card of a name, or a part of a card."""


def peak_flops(device_name: str, arithmetic: Arithmetic) -> float | None:
    """FLOPs per second of a device by PyTorch's name for it; None where it is not known.

    Names are compared word by word: an `A1000` is no `A100`.
    """
    words = device_name.replace("-", " ").casefold().split()
    if _OTHERS.intersection(words):
        return None
    for name, peak in _PEAKS:
        if f" {name.casefold()} " in f" {' '.join(words)} ":
            rate: float | None = getattr(peak, arithmetic)
            return rate and rate * 1e12
    return None


def flops_utilization(
    flops_per_token: float, tokens_per_second: float, peak: float, workers: int
) -> float:
    """MFU: the share of their peak that all workers together use for the model's own FLOPs.

    As in PaLM (Chowdhery et al. 2022, appendix B), activations that are computed twice count once.
    """
    return flops_per_token * tokens_per_second / (peak * workers)
