"""An HTTP proxy on the loopback address in front of a store, which does harm on demand.

Requests pass byte for byte, the Host header included, so that their signatures stay valid.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Kind = Literal["error", "slow down", "reset", "stall", "truncated", "shortened"]
KINDS: tuple[Kind, ...] = ("error", "slow down", "reset", "stall", "truncated", "shortened")
_REFUSALS = {"error": (500, "InternalError"), "slow down": (503, "SlowDown")}


@dataclass(frozen=True)
class Fault:
    """What happens to one request.

    `error`, `slow down`: 500, 503. `reset`: the connection is reset. `stall`: silence, and then
    the answer. `truncated`: half of the answer, and the connection closed. `shortened`: half of
    the body, announced as if it were all. `after`: the store has carried the request out before.
    The last two are of an answer, so always after.
    """

    kind: Kind
    after: bool = True


@dataclass(frozen=True)
class Request:
    """What a schedule may look at."""

    method: str
    path: str


Schedule = Callable[[Request], Fault | None]


def nothing(_: Request) -> Fault | None:
    """The schedule of a proxy that only passes on."""
    return None


def at_random(seed: int, share: float, kinds: Sequence[Kind] = KINDS) -> Schedule:
    """A fault for this share of all requests, drawn by request number: kinds and sides alike."""
    generator = random.Random(seed)
    lock = threading.Lock()

    def schedule(_: Request) -> Fault | None:
        with lock:
            hit, kind, after = generator.random(), generator.choice(kinds), generator.random()
        return Fault(kind, after < 0.5) if hit < share else None

    return schedule


def first(count: int, fault: Fault, method: str = "", part: str = "") -> Schedule:
    """The fault for the first `count` requests of a method whose path holds `part`."""
    left, lock = [count], threading.Lock()

    def schedule(request: Request) -> Fault | None:
        if method not in ("", request.method) or part not in request.path:
            return None
        with lock:
            left[0] -= 1
        return fault if left[0] >= 0 else None

    return schedule


@dataclass
class FaultProxy:
    """A running proxy: `endpoint` is its URL, `schedule` decides, `injected` counts."""

    upstream: str
    stall_seconds: float
    endpoint: str = ""
    schedule: Schedule = nothing
    injected: Counter[str] = field(default_factory=Counter)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def handle_one_request(self) -> None:
        with suppress(ConnectionError):  # the client has gone away
            super().handle_one_request()
            return
        self.close_connection = True

    def _pass(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.proxy.schedule(Request(self.command, self.path))
        if fault is None:
            self._answer(*self._forward(body))
            return
        self.proxy.injected[fault.kind] += 1
        after = fault.after or fault.kind in ("truncated", "shortened")
        answer = self._forward(body) if after else None
        if fault.kind == "stall":
            time.sleep(self.proxy.stall_seconds)
            # What was sent before the silence arrives after it, though nobody may wait any more.
            self._answer(*(answer or self._forward(body)))
        elif fault.kind == "reset":
            self._reset()
        elif fault.kind in _REFUSALS:
            self._refuse(*_REFUSALS[fault.kind])
        elif answer is not None:
            self._cut(*answer, announced=fault.kind == "truncated")

    # The server looks for methods of these names.
    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The store's answer; 502 where the store is gone."""
        connection = http.client.HTTPConnection(urlsplit(self.proxy.upstream).netloc, timeout=120)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in self.headers.items():
                if name.lower() not in ("connection", "expect"):
                    connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        except (OSError, http.client.HTTPException):
            return 502, [("Content-Length", "0")], b""
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.wfile.write(self._head(status, headers, len(body)) + body)

    def _head(self, status: int, headers: list[tuple[str, str]], length: int) -> bytes:
        if self.command == "HEAD":
            length = int(dict(headers).get("Content-Length", 0))
        kept = [
            f"{name}: {value}\r\n"
            for name, value in headers
            if name.lower() not in ("content-length", "transfer-encoding", "connection")
        ]
        sized = "" if status in (204, 304) else f"Content-Length: {length}\r\n"
        lines = [f"HTTP/1.1 {status} {http.client.responses.get(status, '')}\r\n", *kept, sized]
        return ("".join(lines) + "\r\n").encode("latin-1")

    def _cut(
        self, status: int, headers: list[tuple[str, str]], body: bytes, announced: bool
    ) -> None:
        half = body[: len(body) // 2]
        head = self._head(status, headers, len(body) if announced else len(half))
        if announced and not half:  # nothing to cut in two but the head
            head = head[: len(head) // 2]
        self.wfile.write(head + half)
        self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        headers = [("Content-Type", "application/xml")]
        self._answer(status, headers, b"" if self.command == "HEAD" else body)

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)  # a close without the usual farewell
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.rfile.close()
        self.wfile.close()
        self.connection.close()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: tests say what they see."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a reset connection is meant."""

    def shutdown_request(self, request: object) -> None:
        with suppress(OSError):  # reset already
            super().shutdown_request(request)  # type: ignore[arg-type]


@contextmanager
def fault_proxy(upstream: str, stall_seconds: float = 30.0) -> Iterator[FaultProxy]:
    """A proxy in front of the store at this URL for the length of the block."""
    proxy = FaultProxy(upstream, stall_seconds)
    handler = type("Handler", (_Handler,), {"proxy": proxy})
    server = _Server(("127.0.0.1", 0), handler)
    proxy.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
