"""Objects written whole: by one PUT, in parts that are completed at once, or on a condition."""

from __future__ import annotations

import base64
import hashlib
import itertools
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from raycl.storage.backend import Content
from raycl.storage.retries import Retries
from raycl.storage.s3.client import S3Client
from raycl.storage.s3.errors import is_code, is_status, whole

PART_BYTES = 16 * 2**20
"""Larger objects go up in parts of this size or more."""
MOST_PARTS = 10_000
PARALLEL_PARTS = 4
_UPLOADS = 3
_WRITE_ID = "raycl-write"


def write(s3: S3Client, path: str, data: bytes | memoryview) -> None:
    """Write an object, which replaces an object of the same name."""
    if len(data) <= PART_BYTES:
        s3.request("put_object", path, **_body(data))
        return
    view, size = memoryview(data), _part_bytes(len(data))
    starts = range(0, len(view), size)
    _upload(s3, path, lambda: (view[start : start + size] for start in starts))


def write_stream(s3: S3Client, path: str, content: Content, size: int) -> None:
    """Write an object of `size` bytes; at most `PARALLEL_PARTS` + 1 parts are in memory."""
    if size <= PART_BYTES:
        write(s3, path, b"".join(content()))
    else:
        _upload(s3, path, lambda: regrouped(content(), _part_bytes(size)))


def regrouped(pieces: Iterable[bytes | memoryview], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size` bytes, but for the last one."""
    waiting = bytearray()
    for piece in pieces:
        view = memoryview(piece).cast("B")
        while len(waiting) + len(view) >= size:
            room = size - len(waiting)
            yield bytes(waiting + view[:room])
            waiting, view = bytearray(), view[room:]
        waiting += view
    if waiting:
        yield bytes(waiting)


def _part_bytes(size: int) -> int:
    return max(PART_BYTES, -(-size // MOST_PARTS))


def _upload(s3: S3Client, path: str, parts: Callable[[], Iterable[bytes | memoryview]]) -> None:
    """Upload the parts. `parts` is called again where the whole upload has to begin again."""
    for last in (*[False] * (_UPLOADS - 1), True):
        try:
            _write_parts(s3, path, parts())
            return
        except FileNotFoundError as error:
            # Completed by an attempt whose answer was lost, or aborted by the bucket's clean-up.
            if last or not is_code(error.__cause__, "NoSuchUpload"):
                raise


def _write_parts(s3: S3Client, path: str, parts: Iterable[bytes | memoryview]) -> None:
    upload = s3.request("create_multipart_upload", path, "UploadId")["UploadId"]

    def send(number: int, data: bytes | memoryview) -> dict[str, Any]:
        body = _body(data)
        answer = s3.request("upload_part", path, "ETag", UploadId=upload, PartNumber=number, **body)
        return {"ETag": answer["ETag"], "PartNumber": number}

    try:
        sent = _send_all(send, parts)
        s3.request(
            "complete_multipart_upload",
            path,
            "ETag",
            UploadId=upload,
            MultipartUpload={"Parts": sent},
        )
    except BaseException:
        with suppress(Exception):  # what is left of it is invisible, but costs room
            s3.request("abort_multipart_upload", path, retries=Retries(attempts=1), UploadId=upload)
        raise


def _send_all(
    send: Callable[[int, bytes | memoryview], dict[str, Any]], parts: Iterable[bytes | memoryview]
) -> list[dict[str, Any]]:
    """The answers to all parts, in order. One part is made beyond those that are under way."""
    answers: list[dict[str, Any]] = []
    under_way: deque[Future[dict[str, Any]]] = deque()
    with ThreadPoolExecutor(PARALLEL_PARTS) as pool:
        try:
            for number, part in zip(itertools.count(1), parts, strict=False):
                if len(under_way) == PARALLEL_PARTS:
                    answers.append(under_way.popleft().result())
                under_way.append(pool.submit(send, number, part))
            answers.extend(future.result() for future in under_way)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # an upload that is given up sends no more parts
            raise
    return answers


def write_if(s3: S3Client, path: str, data: bytes, **condition: str) -> str | None:
    """PUT on a condition (IfNoneMatch, IfMatch): the new version, or None where it fails."""
    write_id = uuid.uuid4().hex

    def put(client: Any) -> str:
        answer = client.put_object(
            **s3.key(path), **_body(data), **condition, Metadata={_WRITE_ID: write_id}
        )
        return str(whole(answer, "ETag")["ETag"])

    try:
        return s3.raw("writing", s3.address(path), put)
    except Exception as error:
        if _refused(error):
            return _version_of_write(s3, path, write_id)
        raise s3.explain(error, s3.address(path)) from error


def _version_of_write(s3: S3Client, path: str, write_id: str) -> str | None:
    """An attempt may have been carried out and its answer lost: then the write refused is ours."""
    try:
        found = s3.request("head_object", path, "ETag")
    except FileNotFoundError:
        return None
    return str(found["ETag"]) if found.get("Metadata", {}).get(_WRITE_ID) == write_id else None


def delete_if(s3: S3Client, path: str, version: str) -> bool:
    """DELETE where the version is still this one: whether it was."""
    attempts = 0

    def delete(client: Any) -> None:
        nonlocal attempts
        attempts += 1
        client.delete_object(**s3.key(path), IfMatch=version)

    try:
        # Some stores call it a success to delete what is not there.
        if s3.request("head_object", path, "ETag")["ETag"] != version:
            return False
        s3.raw("deleting", s3.address(path), delete)
    except FileNotFoundError:
        return False
    except Exception as error:
        if _refused(error):  # after a lost answer, that it is gone is what was asked for
            return attempts > 1 and _gone(s3, path)
        raise s3.explain(error, s3.address(path)) from error
    return True


def _gone(s3: S3Client, path: str) -> bool:
    try:
        s3.request("head_object", path)
    except FileNotFoundError:
        return True
    return False


def _refused(error: Exception) -> bool:
    """Whether the condition did not hold; If-Match on what is not there is 404 at some stores."""
    return is_status(error, 412, 404) and not is_code(error, "NoSuchBucket")


def _body(data: bytes | memoryview) -> dict[str, Any]:
    """The bytes with a checksum that the store compares."""
    digest = hashlib.md5(data, usedforsecurity=False).digest()
    return {"Body": bytes(data), "ContentMD5": base64.b64encode(digest).decode()}
