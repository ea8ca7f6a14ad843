"""What every test relies on: waiting for conditions, and markers that are true."""

from __future__ import annotations

import json
import socket
import subprocess
import sys

import psutil
import pytest

from tests.helpers.paths import ROOT
from tests.helpers.waiting import wait_until, wait_until_ended


def test_a_wait_ends_with_what_was_waited_for() -> None:
    values = iter([[], [], ["here"]])
    assert wait_until(lambda: next(values), "something is here", every=0) == ["here"]


def test_a_wait_that_fails_says_for_what_and_what_it_saw() -> None:
    with pytest.raises(AssertionError, match=r"waited 0 s until pigs fly; last seen: \[\]"):
        wait_until(list, "pigs fly", seconds=0)


def test_a_process_that_still_runs_is_named() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    watched = [psutil.Process(process.pid)]
    with pytest.raises(AssertionError, match=rf"still running: .*pid={process.pid}"):
        wait_until_ended(watched, seconds=0)
    process.communicate(b"\n")
    wait_until_ended(watched)


def test_an_unmarked_test_may_not_listen() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        with pytest.raises(AssertionError, match="mark it as one of ray, s3"):
            listening.listen()


def test_the_table_of_durations_names_files_that_exist() -> None:
    seconds = json.loads((ROOT / "tests/durations.json").read_text(encoding="utf-8"))
    assert not [name for name in seconds if not (ROOT / name).is_file()]
