"""Starts an embedded cluster, and says why where it does not come up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from raycl.cluster.machine_limits import limits_in_words
from raycl.errors import InputError

START_SECONDS = 150.0
"""How long a cluster may take until its first worker answers. A quiet machine takes 5 to 10 s; one
that is busy with other things once needed more than 60 s for Ray's dashboard alone."""
_SLOW = ("dashboard", "timed out during startup")
"""What Ray says where a daemon did not come up in the time that Ray itself gives it."""
_LOGS = ("raylet.err", "gcs_server.err", "raylet.out", "gcs_server.out", "monitor.err")


class SlowStartError(InputError):
    """A daemon of Ray did not come up in the time that Ray gives it; the next one may."""


def start_ray(folder: str, **arguments: Any) -> None:
    """`ray.init` with these arguments, until a first worker answers.

    Raises InputError, with the last line of Ray's log, where that takes longer than START_SECONDS;
    SlowStartError where one of Ray's daemons had too little time, which a busy machine takes away.
    """
    import ray

    began = time.monotonic()
    try:
        ray.init(**arguments)
        left = max(1.0, START_SECONDS - (time.monotonic() - began))
        # Daemons may be up although no worker can start, for want of memory or of processes.
        ray.get(ray.remote(num_cpus=0)(_answer).remote(), timeout=left)
    except InputError:
        raise
    except Exception as error:  # Ray raises a bare Exception where a daemon does not come up
        seconds = time.monotonic() - began
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        kind = SlowStartError if any(word in reason for word in _SLOW) else InputError
        raise kind(
            "Ray on this machine",
            f"it did not start within {seconds:.0f} s ({reason}); its log ends with: "
            f"{last_line(Path(folder)) or 'nothing'}",
            "Give it more memory, processes or open files (limits of this process: "
            f"{limits_in_words()}), or use a running cluster with --address",
        ) from error


def _answer() -> None:
    """What the first worker is asked to do."""


def last_line(folder: Path) -> str:
    """The last line of Ray's logs below the folder that says something went wrong, or any."""
    lines = list(_lines(folder))
    bad = [line for line in lines if " E " in line or " C " in line or "rror" in line]
    return (bad or lines or [""])[-1]


def _lines(folder: Path) -> Iterator[str]:
    for name in reversed(_LOGS):
        for file in sorted(folder.glob(f"session_2*/logs/{name}")):
            text = file.read_text(encoding="utf-8", errors="replace")
            yield from (line.strip() for line in text.splitlines() if line.strip())
