"""Watches the daemons of an embedded cluster: without one of them nothing can go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from raycl.cluster import scratch
from raycl.cluster.ray_internals import daemons


@contextmanager
def watched_daemons(folder: str) -> Iterator[None]:
    """End this process with a sentence where a daemon of the cluster ends inside the block.

    Ray itself would wait for it for a minute, and then abort the process with pages of its log.
    Nothing is lost: what is finished lies in the storage.
    """
    ended = threading.Event()
    for name, pid in daemons().items():
        threading.Thread(
            target=_wait_for,
            args=(name, pid, folder, ended),
            name=f"raycl-watch-{name}",
            daemon=True,
        ).start()
    try:
        yield
    finally:
        ended.set()


def _wait_for(name: str, pid: int, folder: str, ended: threading.Event) -> None:
    try:
        # The process is not reaped: that is left to Ray, which started it.
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:  # reaped already, by Ray's own end
        return
    if ended.is_set() or found is None:
        return
    how = "was killed by signal" if found.si_code in _KILLED else "ended with code"
    _end(
        f"error: {name}, a part of Ray on this machine, {how} {found.si_status}. "
        "Run the same command again: it continues from what is stored.",
        folder,
    )


_KILLED = (os.CLD_KILLED, os.CLD_DUMPED)


before_sudden_end: list[Callable[[], None]] = []
"""Functions that give the terminal back before this process says why it ends, and ends."""


def _end(sentence: str, folder: str) -> None:
    """End the process at once. Its main thread may wait inside Ray, where nothing interrupts it."""
    for restore in tuple(before_sudden_end):
        with suppress(Exception):
            restore()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    # What Ray's own code writes from here on is pages of its log.
    os.dup2(nowhere, 1)
    print(sentence, file=sys.stderr, flush=True)
    os.dup2(nowhere, 2)
    for pid in _processes_of(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    scratch.remove(folder)
    os._exit(1)


def _processes_of(folder: str) -> Iterator[int]:
    """Daemons and workers of the cluster in `folder`: what they print goes to files below it.

    A worker whose raylet was killed is no child of this process, and may go on for minutes.
    """
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile, or another user's
            if os.readlink(place / "fd" / "1").startswith(f"{folder}/"):
                yield int(place.name)
