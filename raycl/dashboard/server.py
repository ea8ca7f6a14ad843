"""The dashboard's server: the page, what it asks for, and steering where that was asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, TypeVar

import pydantic
from aiohttp import web

from raycl.dashboard.guard import Guard, page_policy
from raycl.dashboard.latest import Latest
from raycl.dashboard.read import WatchedStorage
from raycl.errors import InputError
from raycl.states.lookup import STATE_NAME
from raycl.storage import Storage
from raycl.sweep.steering.actions import ask
from raycl.sweep.steering.names import stored_nodes
from raycl.sweep.steering.record import Action
from raycl.watch.contract import Snapshot
from raycl.watch.page.render import render

MOST_NAMES = 2000
"""Nodes in one request."""
MOST_LINE_BYTES = 128 * 1024
"""Of the line of a request, which names nodes."""
_MOST_BODY_BYTES = 256 * 1024
_THREADS = 4
_Answer = TypeVar("_Answer")


def make_app(watched: WatchedStorage, guard: Guard) -> web.Application:
    """The application that shows a storage, and refuses what the guard does."""
    app = web.Application(middlewares=[guard.check], client_max_size=_MOST_BODY_BYTES)
    server = _Server(watched, guard)
    app.router.add_get("/", server.page)
    app.router.add_get("/api/snapshot", server.snapshot)
    app.router.add_get("/api/nodes", server.nodes)
    if guard.steer:
        app.router.add_post("/api/steer", server.steer)
    app.on_cleanup.append(server.close)
    return app


class _Asked(pydantic.BaseModel):
    """The body of a request to steer."""

    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    action: Action
    nodes: Annotated[
        list[Annotated[str, pydantic.Field(pattern=f"^{STATE_NAME.pattern}$")]],
        pydantic.Field(min_length=1, max_length=MOST_NAMES),
    ]
    note: str = ""


class _Server:
    """The answers. All reading is done in threads, so that a slow store never holds the server."""

    def __init__(self, watched: WatchedStorage, guard: Guard) -> None:
        self._watched, self._guard = watched, guard
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="raycl-dashboard")
        self._latest = Latest(self._read, self._pool)
        self._page = render(None)
        self._policy = page_policy(self._page)

    def _read(self) -> Snapshot:
        return {**self._watched.snapshot(), "steer": self._guard.steer}

    async def close(self, _: web.Application) -> None:
        """Let nothing new begin; what is being read is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def page(self, _: web.Request) -> web.Response:
        """The page, which holds no data."""
        answer = web.Response(body=self._page, content_type="text/html", charset="utf-8")
        answer.headers["Content-Security-Policy"] = self._policy
        answer.enable_compression()
        return answer

    async def snapshot(self, request: web.Request) -> web.Response:
        """The newest snapshot; 304 where the page has it already."""
        sent = await self._latest.get()
        if request.headers.get("If-None-Match") == sent.tag:
            return web.Response(status=304, headers={"ETag": sent.tag})
        headers = {"ETag": sent.tag, "Content-Encoding": "gzip"}
        return web.Response(body=sent.data, content_type="application/json", headers=headers)

    async def nodes(self, request: web.Request) -> web.Response:
        """The curves and logs of the nodes that are named in full."""
        names = [name for name in request.query.get("names", "").split(",") if name]
        if len(names) > MOST_NAMES or not all(map(STATE_NAME.fullmatch, names)):
            raise web.HTTPBadRequest(reason=f"names: at most {MOST_NAMES} names of nodes in full")
        data = await self._in_thread(
            lambda: json.dumps(self._watched.details(names), allow_nan=False).encode()
        )
        answer = web.Response(body=data, content_type="application/json")
        answer.enable_compression()
        return answer

    async def steer(self, request: web.Request) -> web.Response:
        """Record what somebody wants of nodes; a sentence on what follows for each."""
        try:
            asked = _Asked.model_validate_json(await request.read())
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"])) or "the request"
            return web.json_response({"error": f"{where}: {first['msg']}"}, status=400)
        try:
            answers = await self._in_thread(lambda: self._steered(asked))
        except InputError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({"answers": answers})

    def _steered(self, asked: _Asked) -> list[dict[str, Any]]:
        storage = Storage(self._watched.storage.url, self._watched.storage.options)
        known = stored_nodes(storage)
        unknown = [name for name in asked.nodes if name not in known]
        if unknown:
            problem = f"no sweep of {storage.url} has it"
            raise InputError(f"node {unknown[0]!r}", problem, "Name a node that the page shows")
        nodes = [known[name] for name in asked.nodes]
        answers = ask(storage, asked.action, nodes, asked.note)
        return [{"node": a.node, "text": a.text, "new": a.is_new} for a in answers]

    async def _in_thread(self, work: Callable[[], _Answer]) -> _Answer:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
