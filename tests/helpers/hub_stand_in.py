"""A stand-in of the Hugging Face hub: one data set from a folder, with the hub's own answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlparse

NAME = "owner/name"
_SMALL = (".md", ".json", ".gitattributes")
"""Files that lie in git itself, so that the hub does not know their SHA-256."""


class HubStandIn:
    """The data set `owner/name`: `commits` are folders by their commit, the last one is main."""

    def __init__(self, commits: dict[str, Path]) -> None:
        self.commits = commits
        self.url = ""
        self.read: list[str] = []
        """Files whose content was asked for."""

    def commit(self, revision: str) -> str | None:
        """The commit that a revision means."""
        if revision == "main":
            return list(self.commits)[-1]
        return revision if revision in self.commits else None

    def entries(self, commit: str) -> list[dict[str, Any]]:
        """All files and folders at a commit, as the hub lists them."""
        top = self.commits[commit]
        return [_entry(top, path) for path in sorted(top.rglob("*"))]


def _entry(top: Path, path: Path) -> dict[str, Any]:
    name = path.relative_to(top).as_posix()
    if path.is_dir():
        return {"type": "directory", "path": name, "oid": "0" * 40, "size": 0}
    data = path.read_bytes()
    entry = {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
    if not name.endswith(_SMALL):
        digest = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
    return entry


@contextmanager
def serve(hub: HubStandIn) -> Iterator[HubStandIn]:
    """Answer at `hub.url` until the block ends."""
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubStandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlparse(self.path).path)
        api, files = f"/api/datasets/{NAME}", f"/datasets/{NAME}/resolve/"
        if path.startswith(files):
            self._file(*path.removeprefix(files).split("/", 1))
        elif path == api:
            self._facts("main")
        elif path.startswith(f"{api}/revision/"):
            self._facts(path.removeprefix(f"{api}/revision/"))
        elif path.startswith(f"{api}/tree/"):
            revision, _, folder = path.removeprefix(f"{api}/tree/").partition("/")
            self._tree(revision, folder)
        else:
            self._missing("RepoNotFound")

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        revision = urlparse(self.path).path.rpartition("/")[2]
        commit = self.hub.commit(revision)
        entries = self.hub.entries(commit) if commit else []
        self._json([entry for entry in entries if entry["path"] in asked["paths"]])

    def _facts(self, revision: str) -> None:
        commit = self.hub.commit(revision)
        if commit is None:
            self._missing("RevisionNotFound")
            return
        files = [{"rfilename": e["path"]} for e in self.hub.entries(commit) if e["type"] == "file"]
        self._json({"id": NAME, "sha": commit, "siblings": files, "private": False, "tags": []})

    def _tree(self, revision: str, folder: str) -> None:
        commit = self.hub.commit(revision)
        if commit is None or not (self.hub.commits[commit] / folder).is_dir():
            self._missing("EntryNotFound")
            return
        recursive = parse_qs(urlparse(self.path).query).get("recursive", ["false"])[0].lower()
        entries = self.hub.entries(commit)
        below = [e for e in entries if not folder or e["path"].startswith(f"{folder}/")]
        depth = folder.count("/") + 1 if folder else 0
        self._json([e for e in below if recursive == "true" or e["path"].count("/") == depth])

    def _file(self, revision: str, name: str) -> None:
        commit = self.hub.commit(revision)
        path = self.hub.commits[commit] / name if commit else None
        if path is None or not path.is_file():
            self._missing("EntryNotFound")
            return
        data = path.read_bytes()
        if self.command == "GET":
            self.hub.read.append(name)
        facts = {"X-Repo-Commit": str(commit), "ETag": f'"{hashlib.sha1(data).hexdigest()}"'}
        asked = self.headers.get("Range")
        if asked is None:
            self._send(200, data, facts)
            return
        start, _, stop = asked.removeprefix("bytes=").partition("-")
        part = data[int(start) : int(stop) + 1 if stop else None]
        facts["Content-Range"] = f"bytes {start}-{int(start) + len(part) - 1}/{len(data)}"
        self._send(206, part, facts)

    def _missing(self, code: str) -> None:
        self._send(404, b"{}", {"X-Error-Code": code})

    def _json(self, answer: Any) -> None:
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing."""
