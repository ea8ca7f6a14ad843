"""How fast a node trains, and what its workers use for it: the columns of several steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from raycl.plan.peak_flops import Arithmetic, flops_utilization, peak_flops
from raycl.train.exchange import Numbers
from raycl.train.inspection.size import measure
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.world import World


@dataclass(frozen=True)
class Throughput:
    """Facts of a node that turn seconds into columns of its history."""

    tokens_per_step: int
    flops_per_token: float
    peak: float | None
    """FLOPs per second of one worker at best; None where its device is not known."""
    workers: int

    def columns(self, numbers: Numbers, steps: int) -> dict[str, Any]:
        """The columns that these steps have in common: only together can they be timed."""
        rate = self.tokens_per_step * steps / numbers.seconds
        shared = {
            "seconds": numbers.seconds / steps,
            "tokens_per_second": rate,
            "data_wait_share": min(1.0, numbers.data_wait / numbers.seconds),
            "peak_memory": numbers.peak_memory,
        }
        if self.peak is None:
            return shared
        mfu = flops_utilization(self.flops_per_token, rate, self.peak, self.workers)
        return shared | {"mfu": mfu}


def throughput(
    model: LanguageModel, world: World, dtype: torch.dtype, length: int, tokens_per_step: int
) -> Throughput:
    """The facts of a node's model, which may be sharded, and of this rank's device."""
    flops = measure(model.model, model.unreached, length).flops_per_token
    return Throughput(tokens_per_step, flops, _peak(world.device, dtype), world.size)


def _peak(device: torch.device, dtype: torch.dtype) -> float | None:
    if device.type != "cuda":
        return None
    arithmetic: Arithmetic = "bfloat16"
    if dtype == torch.float32:
        highest = torch.get_float32_matmul_precision() == "highest"
        arithmetic = "float32" if highest else "tf32"
    return peak_flops(torch.cuda.get_device_name(device), arithmetic)
