"""What this machine computes with: its GPUs, and how fast its CPUs multiply matrices."""

from __future__ import annotations

import subprocess
import time

import numpy as np

_SIZE = 768
_SECONDS = 0.3


def gpu_names() -> list[str]:
    """The names of this machine's NVIDIA GPUs, by its driver's own tool; torch is not imported."""
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def multiplied_flops() -> float:
    """FLOPs per second of float32 matrix products on this machine's CPUs, measured for 0.3 s."""
    left = np.random.default_rng(0).random((_SIZE, _SIZE), dtype=np.float32)
    left @ left  # the first product starts threads
    count, begin = 0, time.perf_counter()
    while (seconds := time.perf_counter() - begin) < _SECONDS or not count:
        left @ left
        count += 1
    return 2.0 * _SIZE**3 * count / seconds
