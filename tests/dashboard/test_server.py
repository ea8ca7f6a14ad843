"""The dashboard's server, asked over real sockets: what it shows, and whom it refuses."""

from __future__ import annotations

import asyncio
import gzip
import re
import signal
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession as Client
from aiohttp import UnixConnector, web

from raycl.cli.main import main
from raycl.dashboard.guard import TOKEN, Guard, is_loopback, make_guard, page_policy
from raycl.dashboard.read import WatchedStorage
from raycl.dashboard.serve import address, listen
from raycl.dashboard.server import MOST_LINE_BYTES, make_app
from raycl.errors import InputError
from raycl.states.mark import remove_state
from raycl.storage import Storage
from raycl.sweep.steering.record import find_request
from tests.helpers.made_up_storage import made_up_storage

SECRET = "a-token"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A small sweep whose last node is to be trained."""
    storage = made_up_storage(tmp_path_factory.mktemp("served"))
    remove_state(storage, node_names(storage)[-1])
    return storage


def node_names(storage: Storage) -> list[str]:
    (sweep,) = WatchedStorage(storage.url).snapshot()["sweeps"]
    return [node["name"] for node in sweep["nodes"]]


def ask(storage: Storage, guard: Guard, questions: Callable[[Client], Awaitable[None]]) -> None:
    """Ask a server of its own for this storage, over a socket that no other process can reach."""

    async def run(socket: str) -> None:
        app = make_app(WatchedStorage(storage.url), guard)
        runner = web.AppRunner(app, max_line_size=MOST_LINE_BYTES)
        await runner.setup()
        await web.UnixSite(runner, socket).start()
        async with Client("http://127.0.0.1:8266", connector=UnixConnector(socket)) as client:
            await questions(client)
        await runner.cleanup()

    with tempfile.TemporaryDirectory(prefix="raycl-") as folder:
        asyncio.run(run(f"{folder}/socket"))


def test_it_shows_the_page_and_what_the_page_asks_for(storage: Storage) -> None:
    async def questions(client: Client) -> None:
        page = await client.get("/")
        text = await page.text()
        assert page.status == 200
        assert "Plotly" in text
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self'" in policy
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        answer = await client.get("/api/snapshot")
        (sweep,) = (await answer.json())["sweeps"]
        assert (sweep["summary"]["finished"], sweep["summary"]["waiting"]) == (2, 1)
        status, looks = 200, 0
        while status != 304:  # results follow the nodes, and then nothing changes any more
            looks += 1
            assert looks < 100
            tag = {"If-None-Match": answer.headers["ETag"]}
            answer = await client.get("/api/snapshot", headers=tag)
            status = answer.status
        names = [node["name"] for node in sweep["nodes"]]
        details = await (await client.get("/api/nodes", params={"names": ",".join(names)})).json()
        assert set(details["curves"]) == set(names)
        assert len(details["curves"][names[0]]["loss"][0]) == 6
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    ask(storage, Guard(), questions)


def test_it_serves_no_file_and_refuses_what_is_no_name(storage: Storage) -> None:
    async def questions(client: Client) -> None:
        for path in ("/../etc/passwd", "/%2e%2e/etc/passwd", "/states", "/api/steer", "//evil"):
            assert (await client.get(path)).status in (403, 404), path
        for names in ("../../etc/passwd", "a,b", "000000006-" + "0" * 32 + "\n", "x" * 9000):
            assert (await client.get("/api/nodes", params={"names": names})).status == 400
        many = ",".join(["000000006-" + "0" * 32] * 1000)
        assert (await client.get("/api/nodes", params={"names": many})).status == 200
        assert (await client.post("/api/steer", json={}, headers={TOKEN: ""})).status == 403

    ask(storage, Guard(), questions)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8266"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites_read_nothing(storage: Storage, headers: dict[str, str]) -> None:
    async def questions(client: Client) -> None:
        answer = await client.get("/api/snapshot", headers=headers)
        assert answer.status == 403
        assert "sweeps" not in await answer.json()

    ask(storage, Guard(), questions)


def test_a_tunnel_to_loopback_is_no_other_site(storage: Storage) -> None:
    async def questions(client: Client) -> None:
        for host in ("localhost:9000", "127.0.0.1", "[::1]:8266"):
            assert (await client.get("/api/snapshot", headers={"Host": host})).status == 200

    ask(storage, Guard(), questions)


def test_nodes_are_steered_by_who_has_the_token(storage: Storage) -> None:
    last = node_names(storage)[-1]
    wanted = {"action": "pause", "nodes": [last], "note": "at night"}

    async def questions(client: Client) -> None:
        for headers in ({}, {TOKEN: "another"}, {TOKEN: SECRET, "Origin": "http://evil.example"}):
            assert (await client.post("/api/steer", json=wanted, headers=headers)).status == 403
        assert find_request(storage, last) is None
        own = {TOKEN: SECRET}
        wrong: list[dict[str, Any]] = [
            {"action": "remove"},
            {"nodes": ["../../x"]},
            {"nodes": []},
            {"nodes": ["000000006-" + "0" * 32]},
            {"note": "two\nlines"},
            {"more": 1},
        ]
        for changed in wrong:
            answer = await client.post("/api/steer", json=wanted | changed, headers=own)
            assert answer.status == 400
            assert (await answer.json())["error"]
        assert find_request(storage, last) is None
        answer = await client.post("/api/steer", json=wanted, headers=own)
        (said,) = (await answer.json())["answers"]
        assert (said["node"], said["new"]) == (last, True)
        assert "waits for it" in said["text"]
        found = await (await client.get("/api/snapshot")).json()
        assert found["steer"]
        sweeps = found["sweeps"]
        assert sweeps[0]["nodes"][-1]["status"] == "held"

    ask(storage, Guard(token=SECRET, steer=True), questions)
    request = find_request(storage, last)
    assert request is not None
    assert (request.action, request.note) == ("pause", "at night")


def test_other_machines_need_the_token_to_read(storage: Storage) -> None:
    async def questions(client: Client) -> None:
        assert (await client.get("/")).status == 200  # it holds no data
        assert (await client.get("/api/snapshot")).status == 403
        answer = await client.get("/api/snapshot", headers={TOKEN: SECRET})
        assert answer.status == 200
        assert (await answer.json())["steer"] is False  # so the page shows no buttons for it
        names = {"names": "000000006-" + "0" * 32}
        assert (await client.get("/api/nodes", params=names)).status == 403

    ask(storage, Guard("0.0.0.0", SECRET), questions)
    assert not is_loopback("192.168.0.7")
    assert is_loopback("::1")
    assert make_guard("192.168.0.7", steer=False).token
    assert make_guard("127.0.0.1", steer=False).token == ""


def test_the_address_that_is_printed_is_one_that_the_guard_takes(storage: Storage) -> None:
    guard = Guard("gpu-box", SECRET)
    listening: Any = SimpleNamespace(getsockname=lambda: ("192.168.0.7", 8266))
    assert address(Guard("0.0.0.0", SECRET), listening).startswith("http://192.168.0.7:8266/#")
    shown = address(guard, listening)
    assert shown == f"http://gpu-box:8266/#token={SECRET}"
    host = urllib.parse.urlsplit(shown).netloc

    async def questions(client: Client) -> None:
        headers = {"Host": host, TOKEN: SECRET}
        assert (await client.get("/api/snapshot", headers=headers)).status == 200

    ask(storage, guard, questions)
    with pytest.raises(InputError, match="not possible to listen"):
        listen("no..name", None)


def test_what_cannot_be_answered_is_told(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError("no such number")

    monkeypatch.setattr(WatchedStorage, "snapshot", fails)

    async def questions(client: Client) -> None:
        answer = await client.get("/api/snapshot")
        assert (answer.status, await answer.json()) == (
            500,
            {"error": "ValueError: no such number"},
        )
        assert answer.headers["X-Content-Type-Options"] == "nosniff"

    ask(storage, Guard(), questions)
    # So aiohttp gives bytes that are no UTF-8.
    headers = {"Host": "127.0.0.1", TOKEN: "caf\udce9"}
    request: Any = SimpleNamespace(method="POST", path="/api/steer", headers=headers)
    assert "token" in Guard(token=SECRET, steer=True).problem(request)


def test_the_policy_names_each_script_of_the_page() -> None:
    policy = page_policy(b"<script>a()</script><script type='x'>b()</script><p onclick='c()'>")
    assert len(re.findall(r"'sha256-[^']+'", policy)) == 2


def test_the_command_waits_for_a_first_sweep_and_ends_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "raycl", "dashboard", str(tmp_path), "--steer"]
    command += ["--port", "0"]  # any free one
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
        ExitStack() as ended,
    ):
        ended.callback(process.kill)  # where an assertion fails
        assert process.stdout is not None
        first = process.stdout.readline()
        found = re.search(r"(http://127\.0\.0\.1:\d+/)#token=[\w-]{32}$", first.strip())
        assert found, first
        process.stdout.readline()
        with urllib.request.urlopen(found[1] + "api/snapshot") as answer:
            assert b'"sweeps":[]' in gzip.decompress(answer.read())
        again = [*command[:-1], found[1].rpartition(":")[2].strip("/")]
        told = subprocess.run(again, capture_output=True, text=True, check=False)
        assert told.returncode == 2
        assert "it is not possible to listen there (Address already in use)" in told.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_the_command_without_a_storage_says_how_to_name_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)
    with pytest.raises(SystemExit) as end:
        main(["dashboard"])
    assert end.value.code == 2
    assert "Write `raycl dashboard runs/my`" in capsys.readouterr().err
