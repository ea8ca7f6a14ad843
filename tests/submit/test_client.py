"""The jobs of a cluster: how one is submitted once, and how its log is followed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.submit.client import ClusterJobs, Follower


class Status:
    """Ray's status of a job."""

    def __init__(self, value: str) -> None:
        self.value = value

    def is_terminal(self) -> bool:
        return self.value in ("SUCCEEDED", "FAILED", "STOPPED")


class FakeClient:
    """A job whose log grows, over a connection that breaks after so many characters."""

    def __init__(self, log: str, breaks: list[int | None], error: Exception) -> None:
        self.log, self.breaks, self.error = log, list(breaks), error
        self.submitted: list[dict[str, Any]] = []
        self.jobs: list[Any] = []

    async def tail_job_logs(self, _job: str) -> AsyncIterator[str]:
        end = self.breaks.pop(0) if self.breaks else None
        for start in range(0, len(self.log) if end is None else end, 3):
            yield self.log[start : min(start + 3, len(self.log) if end is None else end)]
        if end is not None:
            raise self.error

    def get_job_status(self, _job: str) -> Status:
        return Status("SUCCEEDED")

    def list_jobs(self) -> list[Any]:
        return self.jobs

    def submit_job(self, **fields: Any) -> str:
        self.submitted.append(fields)
        return "raysubmit_1"


def follow(client: FakeClient) -> tuple[str, str, list[float]]:
    written: list[str] = []
    waits: list[float] = []
    follower = Follower(client, "here", "job", written.append, waits.append)
    return follower.follow(), "".join(written), waits


@pytest.mark.parametrize("error", [ConnectionError("gone"), RuntimeError("closed"), OSError("x")])
def test_a_log_is_followed_through_lost_connections(error: Exception) -> None:
    ended, text, waits = follow(FakeClient("0123456789abcdef", [4, 2, 0, 11, None], error))
    assert (ended, text) == ("SUCCEEDED", "0123456789abcdef")
    assert waits == [1.0, 2.0, 4.0, 1.0]  # longer while nothing new comes


def test_a_lost_cluster_is_an_input_error_that_names_the_job() -> None:
    written: list[str] = []
    waits: list[float] = []
    client = FakeClient("abc", [0] * 99, ConnectionError())
    with pytest.raises(InputError, match="raycl jobs logs job"):
        Follower(client, "here", "job", written.append, waits.append).follow()
    assert max(waits) <= 30
    assert len(waits) < 10


def jobs_of(client: FakeClient) -> ClusterJobs:
    made = ClusterJobs.__new__(ClusterJobs)
    made.address, made._client = "here", client
    return made


def test_a_job_is_submitted_once_and_without_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    client = FakeClient("", [], OSError())
    assert jobs_of(client).submit("python -m x", tmp_path) == ("raysubmit_1", True)
    assert client.submitted == [
        {
            "entrypoint": "python -m x",
            "runtime_env": {
                "working_dir": str(tmp_path),
                "env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "30"},
            },
        }
    ]
    for status, new in (("RUNNING", False), ("PENDING", False), ("FAILED", True)):
        client.jobs = [
            SimpleNamespace(
                submission_id=None, entrypoint="python -m x", start_time=1, status=Status("RUNNING")
            ),
            SimpleNamespace(
                submission_id="other",
                entrypoint="python -m y",
                start_time=2,
                status=Status("RUNNING"),
            ),
            SimpleNamespace(
                submission_id="mine", entrypoint="python -m x", start_time=3, status=Status(status)
            ),
        ]
        job, fresh = jobs_of(client).submit("python -m x", tmp_path)
        assert (fresh, job) == (new, "raysubmit_1" if new else "mine")


@pytest.mark.parametrize(("refusals", "attempts"), [(2, 3), (5, 6), (99, 6)])
def test_a_head_that_has_just_started_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int, attempts: int
) -> None:
    monkeypatch.setattr("raycl.submit.client._PAUSE", 0)
    client = FakeClient("", [], OSError())
    accept = client.submit_job

    def submit_job(**fields: Any) -> str:
        job = accept(**fields)
        if len(client.submitted) <= refusals:
            raise RuntimeError("failed: No available agent to submit job, please try again later.")
        return job

    monkeypatch.setattr(client, "submit_job", submit_job)
    if refusals < attempts:
        assert jobs_of(client).submit("python -m x", tmp_path) == ("raysubmit_1", True)
    else:
        with pytest.raises(InputError, match="No available agent"):
            jobs_of(client).submit("python -m x", tmp_path)
    assert len(client.submitted) == attempts


def test_a_job_that_began_though_nobody_said_so_is_not_submitted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.submit.client._PAUSE", 0)
    client = FakeClient("", [], OSError())

    def submit_job(**fields: Any) -> str:
        client.submitted.append(fields)
        entry = {"entrypoint": fields["entrypoint"], "start_time": 1, "status": Status("PENDING")}
        client.jobs = [SimpleNamespace(submission_id="mine", **entry)]
        raise RuntimeError("No available agent to submit job, please try again later.")

    monkeypatch.setattr(client, "submit_job", submit_job)
    assert jobs_of(client).submit("python -m x", tmp_path) == ("mine", True)
    assert len(client.submitted) == 1


def test_an_unknown_job_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no such job"):
        jobs_of(FakeClient("", [], OSError())).details("nosuch")


@pytest.mark.parametrize(
    "address", ["", "auto", "ray://h:1", "os.path://x", "http://u:pa55word@h:1", "a b"]
)
def test_an_address_is_a_dashboards(address: str) -> None:
    with pytest.raises(InputError, match="not that of a dashboard") as caught:
        ClusterJobs(address)
    assert "pa55" not in str(caught.value)


def test_a_dashboard_that_does_not_answer_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"no dashboard answers.*ray dashboard"):
        ClusterJobs("http://127.0.0.1:1")
