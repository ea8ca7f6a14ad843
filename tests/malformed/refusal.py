"""Runs `raycl sweep` on a changed workspace and checks how it refuses it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import pytest

from raycl.cli.main import main
from tests.malformed.case import Malformed

MOST_SECONDS = 5.0
"""Of the processor: a loaded machine takes its time."""
HANGS_SECONDS = 60
MOST_CHARACTERS = 2_000


class ClusterStartedError(AssertionError):
    """A cluster would have started."""


@contextmanager
def no_cluster() -> Iterator[None]:
    """Let the start of any cluster raise ClusterStartedError."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise ClusterStartedError

    with patch("raycl.cluster.connect.cluster", refuse):
        yield


def sweep(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and error output of `raycl sweep` in the folder, which is the current one.

    Raises ClusterStartedError where the command found nothing to refuse.
    """
    arguments = ["sweep", "recipe.yaml", "--storage", str(folder / "storage")]
    with no_cluster(), pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0), capsys.readouterr().err


def check_refused(case: Malformed, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check that the changed workspace ends the command with 2 and a sentence, and nothing else.

    Nothing is written, and no cluster starts.
    """
    case.change(folder)
    capsys.readouterr()  # what making the workspace printed
    began, before = time.process_time(), _files(folder)
    with _ended_after(HANGS_SECONDS):
        code, said = sweep(folder, capsys)
    took = time.process_time() - began
    assert code == 2, said
    assert said.startswith("error:"), said
    assert "Traceback" not in said
    assert len(said) < MOST_CHARACTERS
    # A sentence about the problem is followed by one about the remedy.
    assert said.strip().count(". ") >= 1, said
    for part in case.says:
        assert part.lower() in " ".join(said.split()).lower(), said
    assert _files(folder) == before
    assert took < MOST_SECONDS


@contextmanager
def _ended_after(seconds: int) -> Iterator[None]:
    """Raise TimeoutError inside the block where it takes longer: a hang is a failure too."""

    def end(*_: Any) -> NoReturn:
        raise TimeoutError(f"not ended after {seconds} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
