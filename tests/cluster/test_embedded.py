"""What an embedded cluster needs of its machine, judged without starting one."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from raycl.cluster import machine_limits, memory, scratch, watch
from raycl.cluster.start import last_line
from raycl.errors import InputError
from tests.helpers.paths import ROOT


@pytest.fixture
def short() -> Path:
    """A folder with a path that is short enough for sockets."""
    return Path(tempfile.mkdtemp(prefix="s-", dir="/tmp"))


def places(monkeypatch: pytest.MonkeyPatch, *found: object) -> None:
    monkeypatch.setattr(scratch, "_places", lambda: [str(place) for place in found])


def test_the_scratch_folder_follows_tmpdir(monkeypatch: pytest.MonkeyPatch, short: Path) -> None:
    monkeypatch.setenv("TMPDIR", str(short))
    monkeypatch.setattr(tempfile, "tempdir", None)
    folder = scratch.make_folder()
    assert Path(folder).parent == short
    assert Path(folder).name.startswith(f"raycl-{os.getpid()}-")
    scratch.remove(folder)
    assert not os.path.exists(folder)
    short.rmdir()


def test_a_place_that_is_too_long_or_not_there_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, short: Path, tmp_path: Path
) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    places(monkeypatch, long, "/nowhere", short)
    folder = scratch.make_folder()
    assert Path(folder).parent == short
    (short / "raycl-4194304-abc").mkdir()  # of a process that no machine has
    scratch.remove_folders_of_the_dead()
    assert os.listdir(short) == [Path(folder).name]
    scratch.remove(folder)
    short.rmdir()
    places(monkeypatch, long, "/nowhere")
    with pytest.raises(InputError, match=r"Set TMPDIR to a folder"):
        scratch.make_folder()


@pytest.mark.parametrize(("limits", "problem"), [((64, 64), True), ((64, 4096), False)])
def test_open_files(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], problem: bool
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: asked.append(wanted))
    if problem:
        with pytest.raises(InputError, match=r"at most 64 are allowed.*ulimit -n 512"):
            machine_limits.raise_file_limit()
    else:
        machine_limits.raise_file_limit()
        assert asked == [(512, 4096)]


def test_limits_are_said_as_the_shell_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {resource.RLIMIT_AS: 2**30, resource.RLIMIT_NPROC: -1, resource.RLIMIT_NOFILE: 1024}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (found[kind], -1))
    assert machine_limits.limits_in_words() == "ulimit -v 1048576, ulimit -n 1024"


def test_the_last_bad_line_of_rays_logs_is_told(tmp_path: Path) -> None:
    assert last_line(tmp_path) == ""
    logs = tmp_path / "session_2026-01-01" / "logs"
    logs.mkdir(parents=True)
    (logs / "gcs_server.out").write_text("[2026 I 1] started\n[2026 C 1] no memory\n")
    (logs / "raylet.out").write_text("[2026 I 1] waiting\n\n")
    assert last_line(tmp_path) == "[2026 C 1] no memory"


def test_memory_kills_are_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "events").write_text("low 0\noom 3\noom_kill 2\noom_group_kill 0\n")
    (tmp_path / "vmstat").write_text("nr_free_pages 7\noom_kill 5\n")
    files = (str(tmp_path / "events"), str(tmp_path / "vmstat"), str(tmp_path / "none"))
    monkeypatch.setattr(memory, "_COUNTERS", files)
    assert memory.memory_kills() == 7


WATCHED = """
import subprocess, sys, threading
from raycl.cluster import watch
daemon = subprocess.Popen(["sleep", "60"])
watch.daemons = lambda: {"raylet": daemon.pid}
with watch.watched_daemons(sys.argv[1]):
    daemon.kill()
    threading.Event().wait(60)  # as inside Ray, where nothing interrupts it
"""


def test_a_killed_daemon_ends_the_command_with_a_sentence(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED, str(folder)],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: raylet, a part of Ray on this machine, was killed by signal 9. "
        "Run the same command again: it continues from what is stored.\n"
    )
    assert not folder.exists()


def test_a_daemon_that_ends_with_its_cluster_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    daemon = subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr(watch, "daemons", lambda: {"raylet": daemon.pid})
    others = set(threading.enumerate())  # another test's cluster may be watched in this process
    with watch.watched_daemons(str(tmp_path)):
        watchers = set(threading.enumerate()) - others
    assert [watcher.name for watcher in watchers] == ["raycl-watch-raylet"]
    daemon.kill()
    for watcher in watchers:
        watcher.join(20)
        assert not watcher.is_alive()
    daemon.wait()
    assert tmp_path.exists()
