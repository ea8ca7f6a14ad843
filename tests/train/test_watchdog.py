"""A step that does not end ends its process, with a sentence and a stack of each thread."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from raycl.train.watchdog import EXIT_STATUS, Watchdog

STUCK = """
import sys, threading
from datetime import timedelta
from pathlib import Path
from raycl.train.loop import train
from tests.helpers.training_runs import make_batches, make_storage, make_task

storage = make_storage(Path(sys.argv[1]))
task = make_task(step_timeout=timedelta(seconds=1))

def stuck_stream(first):
    for step, rows in enumerate(make_batches(task, storage)(first), first):
        if step == 3:
            threading.Event().wait()
        yield rows

train(task, storage, stuck_stream, lambda _: None)
"""


def test_a_stuck_stream_of_rows(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STUCK, str(tmp_path / "storage")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == EXIT_STATUS, done.stderr
    assert "a step has not ended for" in done.stderr
    assert "after 3 steps of this process (execution.step_timeout)" in done.stderr
    assert "in stuck_stream" in done.stderr
    assert "in train_step" in done.stderr


@pytest.mark.parametrize(("took", "allowed"), [(0.5, 60.0), (30.0, 300.0)])
def test_a_long_step_is_no_hang(
    monkeypatch: pytest.MonkeyPatch, took: float, allowed: float
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watchdog = Watchdog(timedelta(minutes=1))
    for _ in range(3):
        with watchdog.step():
            now += took
    assert watchdog.allowed(60.0) == allowed


def test_it_can_be_switched_off() -> None:
    with Watchdog(None).watching() as watchdog:
        for _ in range(3):
            with watchdog.step():
                assert "raycl-watchdog" not in {t.name for t in threading.enumerate()}


def test_what_is_no_step_may_take_long() -> None:
    """The process would end here: the pause is twice the time that a step may take."""
    with Watchdog(timedelta(seconds=0.2)).watching() as watchdog:
        for _ in range(4):
            with watchdog.step():
                pass
        time.sleep(0.4)
