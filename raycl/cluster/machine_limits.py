"""Limits of this machine that Ray does not say when it meets them."""

from __future__ import annotations

import resource

from raycl.errors import InputError

FEWEST_FILES = 512
"""Open files that the processes of an embedded cluster need each: its sockets are files too."""


def raise_file_limit() -> None:
    """Let this process and its children open as many files as they may.

    Raises InputError where these are too few for a cluster.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= FEWEST_FILES:
        return
    if hard != resource.RLIM_INFINITY and hard < FEWEST_FILES:
        raise InputError(
            "open files of this process",
            f"at most {hard} are allowed; a Ray cluster needs {FEWEST_FILES}",
            f"Raise the limit: `ulimit -n {FEWEST_FILES}`, or LimitNOFILE of the service",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEWEST_FILES, hard))


def limits_in_words() -> str:
    """The limits below which a cluster may fail to start, as the shell sets them."""
    kinds = {
        "ulimit -v": resource.RLIMIT_AS,
        "ulimit -u": resource.RLIMIT_NPROC,
        "ulimit -n": resource.RLIMIT_NOFILE,
    }
    limits = {name: resource.getrlimit(kind)[0] for name, kind in kinds.items()}
    known = {name: limit for name, limit in limits.items() if limit != resource.RLIM_INFINITY}
    if "ulimit -v" in known:
        known["ulimit -v"] //= 1024
    return ", ".join(f"{name} {limit}" for name, limit in known.items()) or "none"
