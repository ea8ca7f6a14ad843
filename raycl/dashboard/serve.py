"""Runs the dashboard's server until somebody ends it."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable

from aiohttp import web

from raycl.dashboard.guard import Guard, is_name
from raycl.dashboard.read import WatchedStorage
from raycl.dashboard.server import MOST_LINE_BYTES, make_app
from raycl.errors import InputError

PORT = 8266
"""Beside 8265, that of Ray's own dashboard."""
_GRACE_SECONDS = 0.2
"""For answers that are under way when the server ends."""


def listen(host: str, port: int | None) -> socket.socket:
    """A socket at the port; without one at 8266, or where that is taken at any free one.

    Raises InputError where it is not possible to listen there.
    """
    try:
        return _listen(host, PORT if port is None else port)
    except (OSError, UnicodeError) as error:  # UnicodeError: no name of a machine is like this
        if port is None and getattr(error, "errno", None) == errno.EADDRINUSE:
            return _listen(host, 0)
        where = f"--host {host}" if port is None else f"--host {host} --port {port}"
        # Without the address, which some versions of Python repeat.
        reason = str(getattr(error, "strerror", None) or error).partition(" (while ")[0]
        problem = f"it is not possible to listen there ({reason})"
        raise InputError(where, problem, "Give another --port, or leave out --host") from error


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def address(guard: Guard, listening: socket.socket) -> str:
    """The address to open; the token is in its fragment, which browsers send to nobody."""
    host, port = listening.getsockname()[:2]
    if is_name(guard.host):  # under another one the guard refuses it
        host = guard.host
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"#token={guard.token}" if guard.token else "")


def serve(
    watched: WatchedStorage,
    guard: Guard,
    listening: socket.socket,
    on_ready: Callable[[], None] = lambda: None,
) -> None:
    """Answer until SIGINT or SIGTERM comes. `on_ready` is called once it answers."""
    asyncio.run(_serve(watched, guard, listening, on_ready))


async def _serve(
    watched: WatchedStorage,
    guard: Guard,
    listening: socket.socket,
    on_ready: Callable[[], None],
) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    runner = web.AppRunner(
        make_app(watched, guard),
        access_log=None,
        max_line_size=MOST_LINE_BYTES,
        shutdown_timeout=_GRACE_SECONDS,
    )
    await runner.setup()
    await web.SockSite(runner, listening).start()
    on_ready()
    await ended.wait()
    await runner.cleanup()
