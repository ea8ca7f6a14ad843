"""The memory of a worker's whole process, which is what it takes of a machine where it has no GPU.

On a GPU the peak of a step is all that counts. On a CPU the libraries, the copy of a state that is
written and what the C library keeps of freed memory come out of the same memory as the step.
benchmarks/README.md has the measurements behind the numbers here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from raycl.plan.layout import Layout
from raycl.plan.memory import (
    Computation,
    MemoryFacts,
    StepMemory,
    state_memory,
    step_memory,
)

PROCESS = 700 * 2**20
"""Bytes of a trial's process that trains a tiny model: Python, PyTorch, transformers, Ray."""
_RETURNED = 32 * 2**20
"""glibc gives a freed block of so many bytes back to the system at once, and may keep a smaller one
(mallopt(3), M_MMAP_THRESHOLD)."""
_LOST = 0.5
"""Of the blocks that glibc may keep, the share that lies unused at a step's peak: there are heaps
for each thread, and the forward and the backward pass run in different ones."""


@dataclass(frozen=True)
class ProcessMemory(StepMemory):
    """Bytes of a worker on a CPU at the moment when it holds most, by part."""

    process: float
    """Python and the libraries."""
    kept: float
    """What the forward pass makes in blocks that the C library keeps when they are freed."""
    copy: float
    """Copy of a state while it is written."""
    copied_in_steps: bool
    """Whether steps go on meanwhile; else the only state is that of the end."""

    @property
    def total(self) -> float:
        """The peak: in a step, or at the end, where what is kept is unused and a state written."""
        step = super().total + _LOST * self.kept
        if self.copied_in_steps:
            return self.process + step + self.copy
        written = self.weights + self.moments + self.kept + self.copy
        return self.process + max(step, written)

    def parts(self) -> dict[str, float]:
        """Bytes by part, without what only says when they are held."""
        parts = super().parts()
        del parts["copied_in_steps"]
        return parts


def worker_memory(facts: MemoryFacts, layout: Layout, computation: Computation) -> StepMemory:
    """Bytes that a worker takes of its GPU, or of its machine where it has none."""
    step = step_memory(facts, layout, computation)
    if computation.device != "cpu":
        return step
    between = computation.saves_between
    return ProcessMemory(
        **{field.name: getattr(step, field.name) for field in fields(step)},
        process=PROCESS,
        kept=step.activations + _small_units(facts, layout, computation) * step.gathered,
        copy=state_memory(facts, layout, "all" if between else computation.end),
        copied_in_steps=between,
    )


def _small_units(facts: MemoryFacts, layout: Layout, computation: Computation) -> float:
    """The share of the parameters in units that glibc may keep when they are freed."""
    most = _RETURNED * layout.tensor / computation.bytes_each
    return sum(unit for unit in facts.units if unit < most) / facts.parameters
