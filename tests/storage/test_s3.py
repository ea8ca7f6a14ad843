"""What only a real S3 server can show: refusals, lost answers, parts, thousands of keys."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from raycl.cluster.connect import free_port
from raycl.data.prepare.digests import digests
from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import find_files, find_inputs, plan_units
from raycl.data.prepare.source import TextSource
from raycl.data.prepare.token_documents import read_tokens
from raycl.errors import InputError
from raycl.storage import Storage
from raycl.storage.retries import GaveUpError, Retries
from raycl.storage.s3 import client as s3_client
from raycl.storage.s3 import writes as s3_writes
from raycl.storage.s3.files import S3Files
from tests.helpers.megatron_files import write_megatron
from tests.helpers.paths import ROOT
from tests.helpers.s3_server import SECRET_KEY, S3Server

pytestmark = pytest.mark.s3
QUICK = Retries(attempts=3, first_seconds=0.01, longest_seconds=0.02)


@pytest.fixture(scope="module")
def bucket(s3: S3Server) -> str:
    return s3.new_bucket()


@pytest.fixture
def storage(bucket: str) -> Storage:
    return Storage(f"s3://{bucket}/deep/{uuid.uuid4().hex[:8]}", retries=QUICK)


def test_a_missing_bucket_is_named_and_not_made(s3: S3Server) -> None:
    storage = Storage("s3://no-such-bucket/x")
    calls: list[Callable[[], Any]] = [
        storage.check_writable,
        storage.list,
        storage.sizes,
        lambda: storage.read_bytes("a"),
        lambda: storage.remove_folder("a"),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"s3://no-such-bucket/x.*no such bucket.*Create"):
            call()
    # This server's answer to a PUT without a look beforehand; Amazon's is NoSuchBucket.
    for write in (storage.write_bytes, storage.create):
        with pytest.raises(InputError, match=r"s3://no-such-bucket/x.*the bucket's name"):
            write("a", b"")
    assert "no-such-bucket" not in [b["Name"] for b in s3.client().list_buckets()["Buckets"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("AWS_SECRET_ACCESS_KEY", "another-planted-secret"), ("AWS_ACCESS_KEY_ID", "nobody")],
)
def test_wrong_credentials(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    calls: list[Callable[[], Any]] = [
        storage.check_writable,
        storage.list,
        lambda: storage.exists("a"),
        lambda: storage.read_bytes("a"),
        lambda: storage.write_bytes("a", b""),
        lambda: storage.create("a", b""),
        lambda: storage.remove_folder("a"),
    ]
    for call in calls:
        with pytest.raises(InputError, match="Check AWS_ACCESS_KEY_ID") as caught:
            call()
        text = "".join(traceback.format_exception(caught.value))
        assert storage.url in caught.value.where
        assert SECRET_KEY not in text
        assert "another-planted-secret" not in text


def test_no_credentials(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match=r"no usable credentials.*AWS_ACCESS_KEY_ID"):
        storage.check_writable()


@pytest.mark.timeout(180)  # a first look gives up early
def test_nobody_at_the_endpoint(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    storage = Storage(f"s3://{bucket}")
    with pytest.raises(InputError, match=rf"tried 3 times.*AWS_ENDPOINT_URL, now {endpoint}"):
        storage.check_writable()
    with pytest.raises(GaveUpError, match=f"s3://{bucket}/a: reading: tried 3 times"):
        Storage(f"s3://{bucket}", retries=QUICK).read_bytes("a")


def test_a_bucket_one_may_write_to_is_left_empty(s3: S3Server) -> None:
    bucket = s3.new_bucket()
    Storage(f"s3://{bucket}").check_writable()
    assert s3.client().list_objects_v2(Bucket=bucket)["KeyCount"] == 0


class Flaky:
    """The real client, a few calls of which fail before or after they were carried out."""

    def __init__(self, client: Any, operation: str, failures: int, after: bool) -> None:
        self._client, self._operation = client, operation
        self.left, self._after = failures, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name != self._operation or not self.left:
            return call

        def fail(**arguments: Any) -> None:
            from botocore.exceptions import ConnectionClosedError

            self.left -= 1
            if self._after:
                call(**arguments)
            raise ConnectionClosedError(endpoint_url="http://lost")

        return fail


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Flaky]:
    def install(operation: str, failures: int = 1, after: bool = True) -> Flaky:
        options, surroundings = Storage("s3://any").options, s3_client._surroundings()
        real = s3_client._client(options, surroundings, s3_client.READ_SECONDS)
        client = Flaky(real, operation, failures, after)
        monkeypatch.setattr(s3_client, "_client", lambda *_: client)
        return client

    return install


@pytest.mark.parametrize("after", [False, True], ids=["never arrived", "answer lost"])
def test_lost_requests_change_no_outcome(
    storage: Storage, flaky: Callable[..., Flaky], after: bool
) -> None:
    """A write that was carried out, its answer lost, is refused on the second attempt."""
    client = flaky("put_object", 1, after)
    version = storage.create("lease", b"mine")
    assert version is not None
    client.left = 1
    newer = storage.replace("lease", b"mine 2", version)
    assert storage.read_version("lease") == (b"mine 2", newer)
    client.left = 1
    assert storage.create("lease", b"other") is None
    client.left = 1
    assert storage.replace("lease", b"other", version) is None
    deleting = flaky("delete_object", 1, after)
    assert storage.delete_if("lease", str(newer))
    assert deleting.left == 0
    assert not storage.exists("lease")


@pytest.mark.parametrize(
    "operation", ["create_multipart_upload", "upload_part", "complete_multipart_upload"]
)
@pytest.mark.parametrize("after", [False, True])
def test_lost_parts(
    storage: Storage, flaky: Callable[..., Flaky], operation: str, after: bool
) -> None:
    data = os.urandom(s3_writes.PART_BYTES + 5)
    assert flaky(operation, 1, after)
    storage.write_bytes("big", data)
    assert storage.read_bytes("big") == data


@pytest.mark.parametrize(
    "operation", ["create_multipart_upload", "upload_part", "complete_multipart_upload"]
)
@pytest.mark.parametrize("after", [False, True])
def test_a_stream_whose_requests_are_lost(
    storage: Storage, flaky: Callable[..., Flaky], operation: str, after: bool
) -> None:
    """Where the end of an upload was lost, the content is asked for once more."""
    data = os.urandom(2 * s3_writes.PART_BYTES + 5)
    pieces = [data[begin : begin + 9_999_999] for begin in range(0, len(data), 9_999_999)]
    assert flaky(operation, 1, after)
    storage.write_stream("big", lambda: pieces, len(data))
    assert storage.read_bytes("big") == data


def test_a_stream_that_ends_early_leaves_nothing(
    storage: Storage, s3: S3Server, bucket: str
) -> None:
    def content() -> Iterator[bytes]:
        yield bytes(s3_writes.PART_BYTES + 1)
        raise ValueError("no more")

    storage.write_bytes("big", b"old")
    with pytest.raises(ValueError, match="no more"):
        storage.write_stream("big", content, 3 * s3_writes.PART_BYTES)
    assert storage.read_bytes("big") == b"old"
    uploads = s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    key = storage.full_path("big").removeprefix(f"s3://{bucket}/")
    assert key not in [upload["Key"] for upload in uploads]


def test_giving_up_leaves_nothing(
    storage: Storage, s3: S3Server, bucket: str, flaky: Callable[..., Flaky]
) -> None:
    storage.write_bytes("big", b"old")
    flaky("upload_part", 99, after=False)
    with pytest.raises(GaveUpError, match="upload_part: tried 3 times"):
        storage.write_bytes("big", bytes(s3_writes.PART_BYTES + 1))
    assert storage.read_bytes("big") == b"old"
    uploads = s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])
    key = storage.full_path("big").removeprefix(f"s3://{bucket}/")
    assert key not in [upload["Key"] for upload in uploads]


def test_parts(storage: Storage, s3: S3Server, bucket: str, tmp_path: Path) -> None:
    data = os.urandom(2 * s3_writes.PART_BYTES + 12_345)
    (tmp_path / "big").write_bytes(data)
    storage.upload_file(tmp_path / "big", "big")
    key = storage.full_path("big").removeprefix(f"s3://{bucket}/")
    etag = s3.client().head_object(Bucket=bucket, Key=key)["ETag"]
    assert etag.strip('"').endswith("-3")  # three parts
    assert storage.size("big") == len(data)
    assert storage.read_bytes("big") == data
    for start, length in ((0, 1), (len(data) - 3, 99), (s3_writes.PART_BYTES - 2, 4)):
        assert storage.read_range("big", start, length) == data[start : start + length]
    storage.download_folder("", tmp_path / "down")
    assert (tmp_path / "down/big").read_bytes() == data


def test_a_reader_gets_one_version_of_a_large_object(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.storage.s3.files.RANGE_BYTES", 1000)
    storage.write_bytes("f", b"0" * 5000)
    assert isinstance(storage._files, S3Files)
    real = storage._files._range
    calls: list[int] = []

    def then_replace(path: str, start: int, *arguments: Any, **condition: Any) -> Any:
        answer = real(path, start, *arguments, **condition)
        calls.append(start)
        if len(calls) == 2:
            storage.write_bytes("f", b"1" * 4000)
        return answer

    monkeypatch.setattr(storage._files, "_range", then_replace)
    assert storage.read_bytes("f") == b"1" * 4000
    assert calls == [0, 1000, 0, 1000, 2000, 3000]


def test_an_empty_object_replaced_while_it_is_read_keeps_its_content_and_version_together(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next `replace` would take the new version for one without content."""
    storage.write_bytes("f", b"")
    assert storage.read_version("f")[0] == b""
    assert isinstance(storage._files, S3Files)
    real = storage._files._range

    def then_replace(*arguments: Any, **condition: Any) -> Any:
        try:
            return real(*arguments, **condition)
        except Exception:
            storage.write_bytes("f", b"new")
            raise

    monkeypatch.setattr(storage._files, "_range", then_replace)
    data, version = storage.read_version("f")
    assert data == b"new"
    assert storage.replace("f", b"newer", version) is not None


def test_a_writer_killed_in_mid_upload_leaves_nothing_to_read(storage: Storage) -> None:
    code = (
        "import os, signal, sys\n"
        "from raycl.storage.s3 import client as s3_client, writes as s3_writes\n"
        "from raycl.storage import Storage\n"
        "real = s3_client.S3Client.request\n"
        "def request(self, operation, *a, **k):\n"
        "    if operation == 'complete_multipart_upload':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(self, operation, *a, **k)\n"
        "s3_client.S3Client.request = request\n"
        "Storage(sys.argv[1]).write_bytes('big', bytes(s3_writes.PART_BYTES + 1))\n"
    )

    done = subprocess.run([sys.executable, "-c", code, storage.url], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not storage.exists("big")
    assert storage.list() == []
    storage.write_bytes("big", b"again")
    assert storage.read_bytes("big") == b"again"


def test_a_client_waits_as_long_as_it_is_told_to_now(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was made for shorter waits stays in the cache, and is not taken."""
    assert isinstance(storage._files, S3Files)
    for seconds in (0.5, 20):
        monkeypatch.setattr(s3_client, "READ_SECONDS", seconds)
        assert storage._files._s3._client().meta.config.read_timeout == seconds


def test_more_keys_than_an_answer_names(storage: Storage) -> None:
    """A listing names a thousand keys, and a deletion takes as many."""
    names = [f"{number:05d}" for number in range(1050)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: storage.write_bytes(f"many/{name}/mark", b"x"), names))
    assert storage.list("many") == names
    assert storage.sizes("many") == {f"{name}/mark": 1 for name in names}
    assert storage.list("many/00042") == ["mark"]
    storage.remove_folder("many")
    assert storage.sizes() == {}
    assert not storage.exists("many")


def test_raw_text_comes_from_the_same_store(storage: Storage) -> None:
    for name in ("a", "b"):
        storage.write_bytes(f"text/{name}.jsonl", b'{"text": "of ' + name.encode() + b'"}\n')
    source = TextSource((f"{storage.url}/text/*.jsonl",))
    units, _ = plan_units(source, find_files(source))
    assert [text for unit in units for text in read_documents(source, unit)] == ["of a", "of b"]
    with pytest.raises(InputError, match=r"no files match|cannot be listed"):
        find_files(TextSource(("s3://no-such-bucket/*.jsonl",)))


def test_tokens_come_from_the_same_store_by_ranges(storage: Storage, tmp_path: Path) -> None:
    local = write_megatron(tmp_path / "a", [[[1, 2], [3]], [[4]], []], "int32")
    for suffix in ("idx", "bin"):
        storage.write_bytes(f"ids/a.{suffix}", Path(f"{local}.{suffix}").read_bytes())
    source = TextSource((f"{storage.url}/ids/a",), format="megatron")
    units, _ = plan_units(source, find_files(source), 8)
    assert len(units) == 2
    assert [d.ids.tolist() for unit in units for d in read_tokens(unit)] == [[1, 2, 3], [4], []]


def test_names_and_patterns_of_raw_text(storage: Storage) -> None:
    odd = ["a+b c.jsonl", "data[1].jsonl", "data1.jsonl", "naïve 你.jsonl", "set[1]/x.jsonl"]
    for name in (*odd, "set1/y.jsonl", "_SUCCESS", "README.md", ".hidden.jsonl"):
        storage.write_bytes(f"odd/{name}", json.dumps({"text": name}).encode())

    def found(*patterns: str) -> list[str]:
        source = TextSource(tuple(f"{storage.url}/odd/{pattern}" for pattern in patterns))
        units, _ = plan_units(source, find_files(source))
        return [text for unit in units for text in read_documents(source, unit)]

    for name in odd:
        assert found(name) == [name]
    assert found("data?.jsonl") == ["data1.jsonl"]
    assert found("data[!0].jsonl") == ["data1.jsonl"]
    assert found("set[1]/*") == found("set[1]") == ["set[1]/x.jsonl"]
    assert found("**/[xy].jsonl", "set1") == ["set1/y.jsonl", "set[1]/x.jsonl"]
    inputs = find_inputs(TextSource((f"{storage.url}/odd/",)))
    assert len(inputs.files) == 6
    assert [path.rpartition("/")[2] for path in inputs.ignored] == ["README.md", "_SUCCESS"]


def test_raw_text_that_is_uploaded_again_is_no_change(storage: Storage) -> None:
    def digest() -> str:
        (file,) = find_files(TextSource((f"{storage.url}/up/a.jsonl",)))
        return digests([file])[file.url]

    storage.write_bytes("up/a.jsonl", b'{"text": "one"}')
    first = digest()
    storage.write_bytes("up/a.jsonl", b'{"text": "two"}')
    assert digest() != first  # within the second in which the store's clock has not moved
    storage.write_bytes("up/a.jsonl", b'{"text": "one"}')
    assert digest() == first
