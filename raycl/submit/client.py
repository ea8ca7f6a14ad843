"""Ray's Jobs API as raycl uses it: submit once, follow through lost connections, send no secrets.

Everybody on the cluster can read a job's description, which holds its command, its working
directory and its metadata. So the submitter's environment is never part of it, and a job reaches
only what the cluster's own identity may reach.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raycl.errors import InputError

ADDRESS = "http://127.0.0.1:8265"
"""Address of the head's dashboard, or of this end of a tunnel to it."""

_ADDRESS = re.compile(r"(https?://)?(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(:\d+)?/?")
_ATTEMPTS = 6
_LONGEST_WAIT = 30.0
_PAUSE = 1.0
_NOT_YET = "No available agent"
"""What a head says that has just started: the agent that begins jobs comes up after the dashboard.
The head waits ten seconds for it before it says so."""
_TALKERS = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
# Ray's client prefers these variables to the address that it is given.
_OVERRIDES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")


_TIME_TO_SAVE = {"RAY_JOB_STOP_WAIT_TIME_S": "30"}
"""Seconds between SIGTERM and SIGKILL where a job is stopped. Ray by itself takes 3, and a sweep
needs up to about 10 until its nodes have saved. A job that ends earlier is not waited for."""


class ClusterJobs:
    """The jobs of one cluster. Every method raises InputError where it cannot be reached."""

    def __init__(self, address: str = ADDRESS) -> None:
        if not _ADDRESS.fullmatch(address) or address == "auto":
            # The message does not repeat the address: somebody may have put a password into it.
            raise InputError("--address", "not that of a dashboard", f"Write {ADDRESS}")
        self.address = address
        with _without(_OVERRIDES), _explained(address):
            from ray.job_submission import JobSubmissionClient

            # These modules set their own log level when they are imported, so it is set afterwards.
            for module in _TALKERS:
                logging.getLogger(module).setLevel(logging.WARNING)
            url = address if "://" in address else f"http://{address}"
            self._client: Any = JobSubmissionClient(url)

    def submit(self, entrypoint: str, folder: Path) -> tuple[str, bool]:
        """Return the job that runs the command in a working directory, and whether it is new.

        While a job with exactly this command is under way, that job is returned: a second one would
        only wait for the first one's states.
        """
        if (job := self._under_way(entrypoint)) is not None:
            return job, False
        for _ in range(_ATTEMPTS - 1):
            try:
                return self._submit(entrypoint, folder), True
            except InputError as error:
                if _NOT_YET not in error.problem:
                    raise
            time.sleep(_PAUSE)
            if (job := self._under_way(entrypoint)) is not None:  # the agent answered too late
                return job, True
        return self._submit(entrypoint, folder), True

    def _under_way(self, entrypoint: str) -> str | None:
        for job in self.all():
            if job.entrypoint == entrypoint and not job.status.is_terminal():
                return str(job.submission_id)
        return None

    def _submit(self, entrypoint: str, folder: Path) -> str:
        runtime_env = {"working_dir": str(folder), "env_vars": _TIME_TO_SAVE}
        with _explained(self.address):
            return str(self._client.submit_job(entrypoint=entrypoint, runtime_env=runtime_env))

    def all(self) -> list[Any]:
        """Return Ray's details of every submitted job, the newest last."""
        with _explained(self.address):
            jobs = [job for job in self._client.list_jobs() if job.submission_id]
        return sorted(jobs, key=lambda job: job.start_time or 0)

    def details(self, job: str) -> Any:
        """Return Ray's details of one job. Raises InputError where there is no such job."""
        known = {str(entry.submission_id): entry for entry in self.all()}
        if job not in known:
            names = ", ".join(known) or "none"
            raise InputError(
                f"job {job!r} at {self.address}", "there is no such job", f"Jobs: {names}"
            )
        return known[job]

    def log(self, job: str) -> str:
        """Return what a job has printed so far."""
        with _explained(self.address):
            return str(self._client.get_job_logs(job))

    def stop(self, job: str) -> bool:
        """Ask a job to end, and return whether it was under way."""
        with _explained(self.address):
            return bool(self._client.stop_job(job))

    def follow(self, job: str, write: Callable[[str], object]) -> str:
        """Copy a job's log to `write` until the job ends, and return its last status."""
        with _explained(self.address):
            return Follower(self._client, self.address, job, write).follow()


class Follower:
    """Copies a job's log to `write` from its start, each character once.

    A connection may be lost while the job goes on. Ray then sends the log from its start again, so
    the follower counts what it has written and leaves out as much.
    """

    def __init__(
        self,
        client: Any,
        address: str,
        job: str,
        write: Callable[[str], object],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._address, self._job = client, address, job
        self._write, self._sleep = write, sleep
        self._written = 0

    def follow(self) -> str:
        """Follow until the job ends, and return its last status.

        Raises InputError where the cluster cannot be reached in several attempts in a row.
        """
        from aiohttp import ClientError

        failures = 0
        while failures < _ATTEMPTS:
            before = self._written
            try:
                asyncio.run(self._tail())
                status = self._client.get_job_status(self._job)
                if status.is_terminal():
                    return str(status.value)
            except (OSError, RuntimeError, ClientError):
                pass  # The laptop slept, the tunnel closed or the dashboard restarted: try again.
            failures = 0 if self._written > before else failures + 1
            self._sleep(min(_LONGEST_WAIT, 2.0**failures))
        raise InputError(
            f"job {self._job} at {self._address}",
            "the connection is lost; the job goes on",
            f"Run `raycl jobs logs {self._job}` when the cluster can be reached again",
        )

    async def _tail(self) -> None:
        position = 0
        async for text in self._client.tail_job_logs(self._job):
            new = text[max(0, self._written - position) :]
            position += len(text)
            if new:
                self._write(new)
                self._written += len(new)


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Remove these environment variables while the block lasts."""
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


@contextmanager
def _explained(address: str) -> Iterator[None]:
    """Turn what Ray's client raises into input errors with a remedy."""
    import requests
    from ray.exceptions import AuthenticationError

    try:
        yield
    except AuthenticationError as error:
        raise InputError(
            f"cluster at {address}",
            "it does not accept this token, or wants one",
            "Put the cluster's token into ~/.ray/auth_token (or RAY_AUTH_TOKEN) and set "
            "RAY_AUTH_MODE=token",
        ) from error
    except (requests.RequestException, ConnectionError) as error:
        raise InputError(
            f"cluster at {address}",
            "no dashboard answers there",
            "Open a tunnel, such as `ray dashboard cluster.yaml`, and leave it open",
        ) from error
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(f"cluster at {address}", first, "See the head's dashboard") from error
