"""Objects in an S3 bucket as files. A PUT and the end of a multipart upload are both atomic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typing_extensions import override

from raycl.errors import InputError
from raycl.storage.backend import ConditionalFiles, Content, Entry, Files, Found
from raycl.storage.options import S3Options
from raycl.storage.retries import Retries
from raycl.storage.s3 import writes as s3_writes
from raycl.storage.s3.client import S3Client
from raycl.storage.s3.errors import CutShortError, is_status, whole

RANGE_BYTES = 16 * 2**20
"""Whole objects are read in ranges of this size, so that a lost connection costs one of them."""
_DELETE_AT_ONCE = 1000
_FIRST_LOOK = Retries(attempts=3, within_seconds=20)


class S3Files(Files):
    """Files below `s3://bucket/prefix`; a version is an ETag."""

    def __init__(self, url: str, options: S3Options, retries: Retries) -> None:
        self.url, self.options = url, options
        self._s3 = S3Client(url, options, retries)

    @override
    def conditional(self) -> ConditionalFiles:
        return self

    @override
    def check(self) -> None:
        # Some stores would make a bucket of this name on the first write.
        bucket = self._s3.bucket
        try:
            self._s3.run(
                "looking for the bucket",
                f"s3://{bucket}",
                lambda client: client.head_bucket(Bucket=bucket),
                _FIRST_LOOK,
            )
        except FileNotFoundError as error:
            raise InputError(
                f"storage {self._s3.url!r}",
                "there is no such bucket",
                "Create the bucket, or correct its name or AWS_ENDPOINT_URL",
            ) from error

    @override
    def exists(self, path: str) -> bool:
        if path:
            try:
                self.size(path)
                return True
            except FileNotFoundError:
                pass
        return bool(self._page(self._s3.folder(path), MaxKeys=1).get("Contents"))

    @override
    def size(self, path: str) -> int:
        return int(self._s3.request("head_object", path, "ContentLength")["ContentLength"])

    @override
    def read(self, path: str) -> bytes:
        return self.read_version(path)[0]

    def read_version(self, path: str) -> tuple[bytes, str]:
        """A whole file and its version; see `ConditionalFiles`."""
        while True:
            try:
                data, version, total = self._beginning(path)
                parts = [data]
                for start in range(len(data), total, RANGE_BYTES):
                    parts.append(self._range(path, start, RANGE_BYTES, IfMatch=version)[0])
            except _ChangedError:  # replaced meanwhile: all bytes must be of one version
                continue
            return (data if len(parts) == 1 else b"".join(parts)), version

    @override
    def read_range(self, path: str, start: int, length: int) -> bytes:
        if length <= 0:
            self.size(path)
            return b""
        try:
            return self._range(path, start, length)[0]
        except _PastTheEndError:
            return b""

    def _beginning(self, path: str) -> tuple[bytes, str, int]:
        """The first range of an object, the object's version and its size."""
        try:
            data, answer = self._range(path, 0, RANGE_BYTES)
        except _PastTheEndError:  # an empty object has no first byte
            found = self._s3.request("head_object", path, "ETag", "ContentLength")
            if found["ContentLength"]:  # it was empty, and has been replaced since
                raise _ChangedError from None
            return b"", str(found["ETag"]), 0
        return data, str(answer["ETag"]), int(answer["ContentRange"].rpartition("/")[2])

    def _range(
        self, path: str, start: int, length: int, **condition: str
    ) -> tuple[bytes, dict[str, Any]]:
        wanted = f"bytes={start}-{start + length - 1}"

        def get(client: Any) -> tuple[bytes, dict[str, Any]]:
            answer = client.get_object(**self._s3.key(path), Range=wanted, **condition)
            answer = whole(answer, "ETag", "ContentRange")
            data = answer["Body"].read()  # raises where fewer bytes come than announced
            if len(data) != _length(answer["ContentRange"]):  # a gateway may announce too few
                raise CutShortError(f"{len(data)} bytes came of {answer['ContentRange']}")
            return data, answer

        address = self._s3.address(path)
        try:
            return self._s3.raw("reading", address, get)
        except Exception as error:
            if is_status(error, 416):
                raise _PastTheEndError from error
            if is_status(error, 412):
                raise _ChangedError from error
            raise self._s3.explain(error, address) from error

    @override
    def write(self, path: str, data: bytes | memoryview) -> None:
        s3_writes.write(self._s3, path, data)

    @override
    def write_stream(self, path: str, content: Content, size: int) -> None:
        s3_writes.write_stream(self._s3, path, content, size)

    def create(self, path: str, data: bytes) -> str | None:
        """Write a new file; see `ConditionalFiles`."""
        return s3_writes.write_if(self._s3, path, data, IfNoneMatch="*")

    def replace(self, path: str, data: bytes, version: str) -> str | None:
        """Replace a file of this version; see `ConditionalFiles`."""
        return s3_writes.write_if(self._s3, path, data, IfMatch=version)

    def delete_if(self, path: str, version: str) -> bool:
        """Remove a file of this version; see `ConditionalFiles`."""
        return s3_writes.delete_if(self._s3, path, version)

    @override
    def entries(self, path: str) -> Iterator[Entry]:
        folder = self._s3.folder(path)
        for page in self._pages(folder, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield Entry(item["Prefix"][len(folder) : -1], True)
            for item in page.get("Contents", ()):
                if name := item["Key"][len(folder) :]:  # not the mark of the folder itself
                    yield Entry(name, False)

    @override
    def found(self, path: str) -> Iterator[Found]:
        folder = self._s3.folder(path)
        for page in self._pages(folder):
            for item in page.get("Contents", ()):
                if not item["Key"].endswith("/"):  # the mark of a folder, which some tools leave
                    name = item["Key"][len(folder) :]
                    yield Found(name, int(item["Size"]), item["LastModified"])

    @override
    def remove(self, path: str) -> None:
        self._s3.request("delete_object", path)

    @override
    def remove_folder(self, path: str) -> None:
        pages = list(self._pages(self._s3.folder(path)))  # all of them, before they change
        keys = [{"Key": item["Key"]} for page in pages for item in page.get("Contents", ())]
        for first in range(0, len(keys), _DELETE_AT_ONCE):
            self._delete(path, keys[first : first + _DELETE_AT_ONCE])

    def _delete(self, path: str, keys: list[dict[str, str]]) -> None:
        answer = self._s3.run(
            "deleting",
            self._s3.address(path),
            lambda client: client.delete_objects(
                Bucket=self._s3.bucket, Delete={"Objects": keys, "Quiet": True}
            ),
        )
        if errors := answer.get("Errors"):
            first = errors[0]
            raise OSError(f"s3://{self._s3.bucket}/{first['Key']}: {first.get('Message')}")

    def _pages(self, prefix: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._page(prefix, **arguments, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _page(self, prefix: str, **arguments: Any) -> dict[str, Any]:
        bucket = self._s3.bucket
        return self._s3.run(
            "listing",
            f"s3://{bucket}/{prefix}",
            lambda client: whole(
                client.list_objects_v2(Bucket=bucket, Prefix=prefix, **arguments), "IsTruncated"
            ),
        )


def _length(content_range: str) -> int:
    """Bytes in a header such as `bytes 0-99/1234`."""
    first, last = content_range.removeprefix("bytes ").partition("/")[0].split("-")
    return int(last) - int(first) + 1


class _PastTheEndError(Exception):
    """A range begins where the object has ended."""


class _ChangedError(Exception):
    """The object has been replaced between two requests for parts of it."""
