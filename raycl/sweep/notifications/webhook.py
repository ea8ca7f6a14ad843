"""Posts messages to a webhook from a thread; its URL is a secret and is never shown."""

from __future__ import annotations

import json
import os
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from raycl.errors import InputError

TIMEOUT_SECONDS = 10.0
WAITS = (1.0, 5.0)
"""Seconds before each further try of a message."""
CLOSE_SECONDS = 25.0
"""How long the end of a sweep waits for messages that are not through."""
INTERRUPTED_SECONDS = 3.0
"""The same after Ctrl-C, which has to be quick."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could lead the message, and what its URL holds, to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none: the answer is then an error."""
        return


def webhook_url(variable: str) -> str:
    """The URL in an environment variable. Raises InputError, which does not repeat it."""
    url = os.environ.get(variable, "").strip()
    where = f"notify.url_variable {variable}"
    if not url:
        remedy = f"Export {variable} where the sweep runs, or leave `notify` out"
        raise InputError(where, "the environment has no such variable", remedy)
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_web = False
    if not is_web or not url.isprintable() or " " in url:
        remedy = f"Set {variable} to the URL of a webhook, https://…"
        raise InputError(where, "its value is no http:// or https:// URL", remedy)
    return url


class Webhook:
    """Sends JSON to a URL, in the order in which it is given; nobody waits for it.

    `post` may also be given work whose result is the message, which is then done in the thread.
    What cannot be sent is told to `report` once, at the end.
    """

    def __init__(
        self,
        url: str,
        report: Callable[[str], None],
        waits: tuple[float, ...] = WAITS,
        close_seconds: float = CLOSE_SECONDS,
    ) -> None:
        self._url, self._report = url, report
        self._waits, self._close_seconds = waits, close_seconds
        self._work: queue.SimpleQueue[Callable[[], Mapping[str, Any] | None] | None]
        self._work = queue.SimpleQueue()
        self._closing = threading.Event()
        self._problem = ""
        self._opener = urllib.request.build_opener(_NoRedirect)
        # A daemon: a server that hangs does not keep the process from ending.
        self._thread = threading.Thread(target=self._send_all, name="raycl-notify", daemon=True)
        self._thread.start()

    def post(self, message: Callable[[], Mapping[str, Any] | None]) -> None:
        """Make a message in the thread and send it; None: there is none."""
        self._work.put(message)

    def close(self, is_interrupted: bool = False) -> None:
        """Wait a while for what is to be sent, and tell what went wrong.

        Where the sweep was interrupted it does not wait for long.
        """
        self._closing.set()
        self._work.put(None)
        most = INTERRUPTED_SECONDS if is_interrupted else self._close_seconds
        self._thread.join(min(most, self._close_seconds))
        late = "the webhook has not taken all messages in time" if self._thread.is_alive() else ""
        if problem := self._problem or late:
            self._report(f"notify: {problem}")

    def _send_all(self) -> None:
        while (make := self._work.get()) is not None:
            try:
                message = make()
            except Exception as error:  # results that cannot be read are told where they are wanted
                self._problem = self._problem or f"no message was made ({type(error).__name__})"
                continue
            if message is not None:
                self._send(json.dumps(message).encode())

    def _send(self, body: bytes) -> None:
        for wait in (*self._waits, None):
            problem, is_final = self._tried(body)
            if not problem:
                return
            if wait is None or is_final:
                break
            self._closing.wait(wait)
        self._problem = self._problem or f"the webhook did not take a message ({problem})"

    def _tried(self, body: bytes) -> tuple[str, bool]:
        """What went wrong, without the URL, and whether another try is of no use."""
        headers = {"Content-Type": "application/json", "User-Agent": "raycl"}
        request = urllib.request.Request(self._url, body, headers, method="POST")
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS):
                return "", False
        except urllib.error.HTTPError as error:
            error.close()
            return f"it answered {error.code}", error.code < 500 and error.code != 429
        except Exception as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            return f"it could not be reached: {type(cause).__name__}", False
