"""A test that starts Ray or a server must carry the marker that says so."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import pytest

MARKERS = ("ray", "s3", "browser", "machines")


@contextmanager
def only_if_marked(item: pytest.Item) -> Iterator[None]:
    """Fail the test if it starts Ray or listens on a socket and carries none of the markers.

    What a command does that the test runs in another process is not seen.
    """
    if any(item.get_closest_marker(name) for name in MARKERS):
        yield
        return
    before = ray_runs()
    with patch.object(socket.socket, "listen", _refuse):
        yield
    if ray_runs() and not before:
        pytest.fail(f"{item.nodeid} starts Ray: mark it `ray`", pytrace=False)


def _refuse(listening: socket.socket, *_: Any) -> None:
    raise AssertionError(
        f"this test listens on {listening.getsockname()}: mark it as one of {', '.join(MARKERS)}"
    )


def ray_runs() -> bool:
    """Whether this process has joined a Ray cluster."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())
