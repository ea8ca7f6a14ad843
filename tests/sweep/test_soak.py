"""The soak: which faults it draws, how it logs steps, and a short one from end to end."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import step_log
from benchmarks.soak_faults import FAULTS, deck
from tests.helpers.paths import ROOT


def test_faults_come_equally_often_and_the_same_for_a_seed() -> None:
    names = deck(random.Random(4), 3 * len(FAULTS) + 2)
    assert names == deck(random.Random(4), 3 * len(FAULTS) + 2)
    assert names != deck(random.Random(5), 3 * len(FAULTS) + 2)
    counts = Counter(names)
    assert set(counts) == set(FAULTS)
    assert set(counts.values()) <= {3, 4}


@pytest.mark.ray
@pytest.mark.s3
@pytest.mark.machines
@pytest.mark.timeout(1000)
def test_a_short_soak() -> None:
    """Two faults of the full one, whose figures stand in benchmarks/README.md."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.soak",
            "--kills=2",
            "--seed=14",
            "--steps=15",
            "--replays=1",
            "--seconds-limit=540",
            "--stall-seconds=2",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^all +2 ", done.stdout, re.MULTILINE), done.stdout
    assert "equal the undisturbed run's bit for bit" in done.stdout


@pytest.mark.slow
def test_every_step_of_another_process_is_logged(tmp_path: Path) -> None:
    """Each step is logged with a checksum of the rows it read, once for each time it is made."""
    step_log.install(tmp_path)
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.helpers.training_runs import make_storage, run\n"
        "for place in sys.argv[1:]: run(make_storage(Path(place)), stop=3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a"), str(tmp_path / "b")],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{tmp_path}:{ROOT}",
            step_log.LOG: str(tmp_path / "steps"),
        },
        check=False,
    )
    assert done.returncode == 0
    steps = step_log.read(tmp_path / "steps")
    assert sorted(int(name[:9]) for name, _, _ in steps) == [1, 2, 3]
    assert [sorted(sums.values()) for sums in steps.values()] == [[2], [2], [2]]
    assert len({checksum for sums in steps.values() for checksum in sums}) == 3
