"""Carries out in a running sweep what people ask of its nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from raycl.storage import Storage, layout
from raycl.sweep.events import Kind
from raycl.sweep.frontier import Frontier
from raycl.sweep.steering.lookout import Look, Lookout
from raycl.sweep.steering.names import short_name
from raycl.sweep.steering.record import Request, write_failure


@dataclass(frozen=True)
class Heard:
    """Something that was asked of a node and is news to the sweep."""

    kind: Kind
    node: str
    reason: str


class Steering:
    """Applies each look of a lookout to the frontier.

    A look says all that is asked, so that one which was missed does no harm. A hold of the frontier
    that is somebody else's (a node that early stopping has frozen) ends where a person has asked
    for the node with `resume` or `retry`, and not otherwise.

    A trial looks for itself whether its node is to be left, and may know more than the last look.
    So a node that was left waits for a look that began after that.
    """

    def __init__(
        self, frontier: Frontier, lookout: Lookout, forget: Callable[[str], None] = lambda _: None
    ) -> None:
        """`forget(node)` hears of a node that is tried again: its failures count no more."""
        self._frontier, self._lookout, self._forget = frontier, lookout, forget
        self._done: Look | None = None
        self._heard: dict[str, Request] = {}
        self._stopped: set[str] = set()
        self._left: dict[str, int] = {}
        """The look that each node waits for which was left."""
        self._failed = set(lookout.failed)

    def obey(self) -> tuple[Heard, ...]:
        """Carry out the newest look, once; what is news of it. It asks the storage nothing."""
        look = self._lookout.newest
        if look is None or look is self._done:
            return ()
        is_first, self._done = self._done is None, look
        return tuple(self._obeyed(look, is_first))

    def _obeyed(self, look: Look, is_first: bool) -> Iterator[Heard]:
        for name in [*self._heard, *(look.requests.keys() - self._heard.keys())]:
            if self._frontier.is_open(name) and self._left.get(name, 0) <= look.number:
                heard = self._hear(name, look.requests.get(name), is_first)
                if heard is not None:
                    yield heard
        for name in [name for name, number in self._left.items() if number <= look.number]:
            del self._left[name]
            if name not in self._heard:  # asked to go on before the sweep heard that it should not
                self._let_go(name)

    def _hear(self, name: str, request: Request | None, is_first: bool) -> Heard | None:
        """Do what is asked of one node; None where it is no news."""
        before = self._heard.pop(name, None)
        if request is None:
            self._let_go(name)
            held = before is not None and before.holds
            return Heard("resumed", name, "nothing is asked of it any more") if held else None
        self._heard[name] = request
        self._set(name, request)
        if request == before or (is_first and not request.holds):
            return None
        if request.holds:
            return self._held(name, request)
        if request.action == "resume":
            return Heard("resumed", name, request.source)
        if name not in self._frontier.failed:
            return None
        self._frontier.retry(name)
        self._forget(name)
        return Heard("retried", name, request.source)

    def _set(self, name: str, request: Request) -> None:
        if not request.holds:
            self._let_go(name)
        elif request.action == "stop":
            self._frontier.resume(name)
            self._frontier.stop(name)
            self._stopped.add(name)
        else:
            if name in self._stopped:
                self._let_go(name)
            self._frontier.pause(name)

    def _let_go(self, name: str) -> None:
        self._frontier.resume(name)
        self._stopped.discard(name)

    def _held(self, name: str, request: Request) -> Heard:
        runs = name in self._frontier.running
        then = "it saves its state and leaves" if runs else "it does not start"
        remedy = f"`raycl resume {short_name(name)}` lets it go on"
        kind: Kind = "paused" if request.action == "pause" else "stopped"
        return Heard(kind, name, f"{request.source}; {then}. {remedy}")

    def left(self, name: str) -> None:
        """Book a node whose trial has saved its state and left."""
        self._frontier.leave(name)
        self._frontier.pause(name)
        self._left[name] = self._lookout.ask()

    def failed(self, name: str, reason: str) -> None:
        """Record that the sweep has given a node up."""
        self._failed.add(name)
        self._lookout.later(partial(write_failure, node=name, reason=reason))

    def finished(self, name: str) -> None:
        """Remove what is recorded of a node that is done."""
        for known, path in ((self._heard, layout.steering), (self._failed, layout.failure)):
            if name in known:
                self._lookout.later(partial(Storage.remove, path=path(name)))
