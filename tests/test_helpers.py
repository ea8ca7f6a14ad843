"""What every test relies on: waiting for conditions, and markers that are true."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.helpers.durations import seconds_of_files
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


def test_seconds_of_each_file_of_a_report(tmp_path: Path) -> None:
    tests = (
        ("tests.units", "2.25"),
        ("tests.units.TestTokens", "1.5"),
        ("tests.storage.store", "8"),
        ("tests.gone", "60"),
        ("tests.short", "0.1"),
    )
    for name in ("tests/units.py", "tests/storage/store.py", "tests/short.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    cases = "".join(f'<testcase classname="{name}" name="a" time="{t}"/>' for name, t in tests)
    (tmp_path / "report.xml").write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    found = seconds_of_files(tmp_path / "report.xml", tmp_path)
    assert list(found.items()) == [("tests/storage/store.py", 8), ("tests/units.py", 4)]
