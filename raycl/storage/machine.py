"""Which machine and process this is, in a form that other machines can compare."""

from __future__ import annotations

import contextlib
import getpass
import os
import socket
from pathlib import Path


def this_machine() -> str:
    """Host, boot and process namespace: process numbers mean the same only within all three."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(os.stat("/proc/self/ns/pid").st_ino))
    return "/".join(parts)


def process_start(process: int) -> str | None:
    """When a process of this machine began, in the kernel's ticks; None where there is none.

    Number and start together name a process, since numbers are used again.
    """
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    # The second field is the program's name in brackets, which may hold spaces.
    return stat.rpartition(")")[2].split()[19]


def this_person() -> str:
    """Who runs this process, and where: `anna@laptop`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"
