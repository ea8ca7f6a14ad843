"""What a worker's process takes of a machine without GPUs, against peaks that were measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from raycl.plan.layout import Layout
from raycl.plan.memory import Computation, MemoryFacts, state_memory, step_memory
from raycl.plan.memory_forms import memory_facts
from raycl.plan.presets import PRESETS
from raycl.plan.process_memory import PROCESS, ProcessMemory, worker_memory

NEOX = memory_facts({**PRESETS["gpt-neox-405m"], "num_hidden_layers": 4, "vocab_size": 32768}, 128)
COMPUTATION = Computation(4, 4)


@pytest.mark.parametrize(
    ("rows", "micro_batch", "checkpointing", "measured"),
    [(8, 8, "full", 2885), (8, 4, "none", 2839)],
)
def test_a_process_takes_what_was_measured(
    rows: int, micro_batch: int, checkpointing: str, measured: int
) -> None:
    """By `python -m benchmarks.memory_peaks --process`: MiB without the libraries."""
    computation = Computation(rows, micro_batch, checkpointing)  # type: ignore[arg-type]
    memory = worker_memory(NEOX, Layout(), computation)
    assert (memory.total - PROCESS) / 2**20 == pytest.approx(measured, rel=0.05)


def test_a_gpu_holds_the_step_alone() -> None:
    on_gpu = replace(COMPUTATION, device="cuda")
    assert worker_memory(NEOX, Layout(), on_gpu) == step_memory(NEOX, Layout(), on_gpu)


def of(computation: Computation, facts: MemoryFacts = NEOX) -> ProcessMemory:
    memory = worker_memory(facts, Layout(), computation)
    assert isinstance(memory, ProcessMemory)
    return memory


def test_a_state_is_copied_beside_the_steps_or_after_them() -> None:
    step = step_memory(NEOX, Layout(), COMPUTATION)
    copy = state_memory(NEOX, Layout())
    between = of(replace(COMPUTATION, saves_between=True, end="weights"))
    assert between.total == PROCESS + step.total + 0.5 * between.kept + copy
    after = of(COMPUTATION)
    assert after.total == PROCESS + step.weights + step.moments + after.kept + copy
    weights = of(replace(COMPUTATION, end="weights"))
    assert weights.copy == copy / 3
    assert weights.total == PROCESS + step.total + 0.5 * weights.kept


def test_units_are_kept_only_where_they_are_small() -> None:
    step = step_memory(NEOX, Layout(), COMPUTATION)
    assert of(COMPUTATION).kept == step.activations  # each unit has 50 MiB and more
    small = replace(NEOX, units=(2**23 + 1, *[2**20] * 8))
    kept = of(COMPUTATION, small)
    share = 8 * 2**20 / small.parameters
    assert kept.kept == pytest.approx(kept.activations + share * kept.gathered)


def test_parts_are_bytes() -> None:
    parts = of(COMPUTATION).parts()
    assert set(parts) >= {"weights", "process", "kept", "copy"}
    assert all(isinstance(part, float | int) and part is not True for part in parts.values())
    assert "copied_in_steps" not in parts
