"""The file systems that input is read from: local ones and object stores."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any

import pyarrow as pa
from pyarrow import fs as arrow_fs

from raycl.errors import InputError
from raycl.storage.arrow import open_arrow
from raycl.storage.options import S3Options, arrow_arguments, s3_options
from raycl.storage.urls import refuse_secret

HUB = "hf://datasets/"
"""How the URL of a data set on the Hugging Face hub begins."""
_ATTEMPTS = 10
# A "?" is a wildcard as well, so that only what looks like options is taken for them.
_QUERY = re.compile(r"\?[a-z_]+=[^?]*$")


@cache
def _object_store(scheme_and_bucket: str) -> tuple[arrow_fs.FileSystem, str]:
    return open_arrow(scheme_and_bucket)


@cache
def _s3_store(options: S3Options) -> arrow_fs.FileSystem:
    strategy = arrow_fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS)
    return arrow_fs.S3FileSystem(**arrow_arguments(options), retry_strategy=strategy)


@cache
def hub_file_system() -> Any:
    """The Hugging Face hub as a file system of fsspec."""
    # Imported here: few corpora lie there, and the client takes half a second to import.
    from raycl.data.prepare.hub_files import HubFiles

    return HubFiles()


@cache
def _hub() -> arrow_fs.FileSystem:
    return arrow_fs.PyFileSystem(arrow_fs.FSSpecHandler(hub_file_system()))


def is_local(url: str) -> bool:
    """Whether the URL names files of this machine."""
    return "://" not in url or url.startswith("file://")


def split_query(url: str) -> tuple[str, str]:
    """A URL without the options of its store, and these options with their "?" or nothing."""
    found = None if is_local(url) else _QUERY.search(url)
    return (url[: found.start()], found.group()) if found else (url, "")


def open_file_system(url: str) -> tuple[arrow_fs.FileSystem, str]:
    """The file system that holds `url`, and the path of the file there.

    Raises InputError where the URL names a store that is not known, or holds a secret.
    """
    if is_local(url):
        local = os.path.expanduser(url.removeprefix("file://"))
        return arrow_fs.LocalFileSystem(), os.path.abspath(local)
    if url.startswith(HUB):
        return _hub(), url.removeprefix("hf://")
    refuse_secret(url, "input")
    plain, query = split_query(url)
    scheme, _, rest = plain.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in ("s3", "gs"):
        query = ""
    if scheme == "s3" and not query and s3_options() != S3Options():
        return _s3_store(s3_options()), f"{bucket}/{key}" if key else bucket
    try:
        file_system, root = _object_store(f"{scheme}://{bucket}{query}")
    except (pa.ArrowInvalid, ValueError, OSError) as error:
        raise InputError(
            f"input {url!r}", str(error), "Give a local path, or an s3:// or gs:// URL"
        ) from error
    return file_system, f"{root}/{key}" if key else root


def open_for_ranges(url: str) -> pa.NativeFile:
    """A file of which ranges are read; of this machine it is mapped into memory.

    Raises OSError and pyarrow's errors.
    """
    file_system, path = open_file_system(url)
    if is_local(url):
        file_system = arrow_fs.LocalFileSystem(use_mmap=True)
    return file_system.open_input_file(path)
