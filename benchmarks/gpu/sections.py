"""All sections in the order of their value, with the seconds that each may take on an H100."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.gpu.environment import environment
from benchmarks.gpu.layers import layers
from benchmarks.gpu.loss import loss
from benchmarks.gpu.others import plain, titan
from benchmarks.gpu.profiling import profiling
from benchmarks.gpu.report import Section
from benchmarks.gpu.saving import saving
from benchmarks.gpu.speed import best, ladder
from benchmarks.gpu.steps import between_nodes, memory_cap, no_wait, not_finite, same_bits

SECTIONS: Sequence[Section] = (
    Section("environment", 30, environment),
    Section("speed", 120, best),
    Section("no wait", 40, no_wait),
    Section("loss", 40, loss),
    Section("profile", 60, profiling),
    Section("9.6B layers", 60, layers),
    Section("saving", 60, saving),
    Section("plain loop", 80, plain),
    Section("titan loop", 60, titan),
    Section("ladder", 150, ladder),
    Section("not finite", 30, not_finite),
    Section("same bits", 60, same_bits),
    Section("memory cap", 50, memory_cap),
    Section("between nodes", 30, between_nodes),
)
