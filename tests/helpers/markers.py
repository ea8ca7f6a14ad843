"""A test that starts Ray or a server must carry the marker that says so."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

MARKERS = ("ray", "s3", "browser", "machines", "server")


@contextmanager
def only_if_marked(item: pytest.Item) -> Iterator[None]:
    """Fail the test if it starts Ray or listens on a port and carries none of the markers.

    What a command does that the test runs in another process is not seen.
    """
    if any(item.get_closest_marker(name) for name in MARKERS):
        yield
        return
    before, listen = ray_runs(), socket.socket.listen

    def refuse(listening: socket.socket, *backlog: int) -> None:
        if listening.family == socket.AF_UNIX:  # between processes of one test, not for others
            return listen(listening, *backlog)
        place, markers = listening.getsockname(), ", ".join(MARKERS)
        raise AssertionError(f"this test listens on {place}: mark it as one of {markers}")

    with patch.object(socket.socket, "listen", refuse):
        yield
    if ray_runs() and not before:
        pytest.fail(f"{item.nodeid} starts Ray: mark it `ray`", pytrace=False)


def ray_runs() -> bool:
    """Whether this process has joined a Ray cluster."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())
