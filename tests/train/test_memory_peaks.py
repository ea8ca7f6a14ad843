"""The computed peak of a step against that of a real process, at a size for a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.memory_peaks import Case, computed, facts_of, measured
from raycl.plan.presets import PRESETS

# 38M parameters: what a process allocates beside the step is a few hundredths of its peak.
CONFIG = {**PRESETS["gpt-neox-49m"], "num_hidden_layers": 4, "vocab_size": 14_000}


@pytest.mark.slow
def test_a_step_takes_the_memory_that_is_computed(tmp_path: Path) -> None:
    case = Case("small", workers=1, rows=4, micro_batch=2)
    found = measured(case, CONFIG, tmp_path)
    assert computed(case, facts_of(CONFIG, case.length)).total == pytest.approx(found, rel=0.15)


@pytest.mark.slow
def test_a_training_takes_the_memory_that_is_computed(tmp_path: Path) -> None:
    """To its end, with what the C library keeps and the copy of the state that is written."""
    case = Case("small", workers=1, rows=4, micro_batch=4)
    found = measured(case, CONFIG, tmp_path, whole=True)
    needs = computed(case, facts_of(CONFIG, case.length), whole=True).total
    assert needs == pytest.approx(found, rel=0.2)
