"""Who may ask the dashboard's server for what: hosts, tokens, and the headers of every answer.

A page of another site must not read what runs here, or steer it, through the browser of somebody
who has the dashboard open. Such a page reaches this server under a name of its own (DNS rebinding),
which the Host header tells, or from its own origin, which the browser tells; and it has no token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import logging
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

TOKEN = "X-Raycl-Token"
"""The header that carries the token."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SCRIPT = re.compile(rb"<script(?P<attributes>[^>]*)>(?P<text>.*?)</script>", re.DOTALL)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
_LOG = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Guard:
    """What a request has to show."""

    host: str = _LOOPBACK[1]
    """The address that the server listens on."""
    token: str = ""
    """Empty: nothing that needs a token is offered."""
    steer: bool = False
    """Whether nodes may be steered."""

    @property
    def is_open(self) -> bool:
        """Whether other machines can reach the server; reading then needs the token too."""
        return not is_loopback(self.host)

    def problem(self, request: web.Request) -> str:
        """Why the request is refused; empty where it may pass."""
        if not self._is_own_host(request.headers.get("Host", "")):
            return "this name is not that of the dashboard: open the address that it printed"
        is_own = request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        if not is_own and request.path != "/":  # a link elsewhere may lead to the page itself
            return "another site asks"
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.headers.get("Host"):
            return "another site asks"
        needs = request.method != "GET" or (self.is_open and request.path.startswith("/api/"))
        if needs and not self._has_token(request):
            return f"the token is missing or wrong: open the address that was printed ({TOKEN})"
        return ""

    def _is_own_host(self, header: str) -> bool:
        if self.is_open and _is_any(self.host):
            return True  # it has many names; the token is what counts
        name = header.rpartition(":")[0] if re.search(r":\d+$", header) else header
        return name.strip("[]").lower() in (*_LOOPBACK, self.host.lower())

    def _has_token(self, request: web.Request) -> bool:
        given = request.headers.get(TOKEN, "")
        return bool(self.token) and hmac.compare_digest(_bytes(given), _bytes(self.token))

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what may not pass, and give every answer its headers."""
        problem = self.problem(request)
        if problem:
            answer: web.StreamResponse = web.json_response({"error": problem}, status=403)
        else:
            try:
                answer = await handler(request)
            except web.HTTPException as error:
                answer = web.json_response({"error": error.reason}, status=error.status)
            except Exception as error:  # the page says why, and goes on asking
                _LOG.exception("%s cannot be answered", request.path)
                text = f"{type(error).__name__}: {error}"
                answer = web.json_response({"error": text}, status=500)
        for name, value in _HEADERS.items():
            answer.headers.setdefault(name, value)
        return answer


def _bytes(header: str) -> bytes:
    return header.encode(errors="surrogateescape")  # as aiohttp has decoded it


def make_guard(host: str, steer: bool) -> Guard:
    """The guard of a server at this address, with a new token where one is needed."""
    needs = steer or not is_loopback(host)
    return Guard(host, secrets.token_urlsafe(24) if needs else "", steer)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_name(host: str) -> bool:
    """Whether it is the name of a machine, and no address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and host != "localhost"
    return False


def _is_any(host: str) -> bool:
    if not host:  # which sockets take for all addresses
        return True
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def page_policy(page: bytes) -> str:
    """The policy of the page: its own scripts run, and it asks its own server and nobody else."""
    scripts = [found["text"] for found in _SCRIPT.finditer(page)]
    hashes = {base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts}
    allowed = " ".join(f"'sha256-{digest}'" for digest in sorted(hashes))
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
