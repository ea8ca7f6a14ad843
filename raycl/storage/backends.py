"""Which back end opens a URL: one line for each scheme.

A new back end is a class of `raycl.storage.backend.Files` in a module of this package, a line in
`BACK_ENDS`, and its name among the storages of tests/storage, which then run all their tests on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from raycl.errors import InputError
from raycl.storage.arrow import ArrowFiles
from raycl.storage.backend import Files
from raycl.storage.local import LocalFiles
from raycl.storage.options import S3Options, s3_options
from raycl.storage.retries import Retries
from raycl.storage.s3.files import S3Files
from raycl.storage.urls import refuse_secret

OpenFiles = Callable[[str, S3Options | None, Retries], Files]
"""A function that opens the files below a URL. It is given the URL, the S3 store (None: the one
that the environment names) and the retries of each request. Raises InputError for an unusable URL.
"""

_ONE_SLASH = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")
_GIVE_URL = "Give a local path, or an s3:// or gs:// URL"


def open_files(url: str, options: S3Options | None, retries: Retries) -> Files:
    """The files below a path or URL, by the back end of its scheme.

    Raises InputError where the URL holds credentials, or no back end can open it.
    """
    refuse_secret(url, "storage")
    scheme, separator, _ = url.partition("://")
    open_ = BACK_ENDS.get(scheme, _open_arrow) if separator else _open_local
    return open_(url, options, retries)


def _open_local(url: str, _options: S3Options | None, _retries: Retries) -> Files:
    path = url.removeprefix("file://")
    if not path.strip() or "\0" in path:
        # An empty variable of a shell would make a storage of the current folder.
        raise InputError(f"storage {url!r}", "not a path", f"{_GIVE_URL}; `.` is this folder")
    if _ONE_SLASH.match(path) and not Path(path).exists():
        problem = "it has one slash after the colon, and would be a folder of this name here"
        raise InputError(f"storage {url!r}", problem, f"Write ://, or ./{path} for such a folder")
    return LocalFiles(Path(path).expanduser().resolve())


def _open_s3(url: str, options: S3Options | None, retries: Retries) -> Files:
    root = url.rstrip("/")
    if not re.fullmatch(r"s3://[a-zA-Z0-9][a-zA-Z0-9._-]{1,254}(/[^?#]*)?", root):
        raise InputError(
            f"storage {url!r}",
            "not an s3:// URL of a bucket and a folder",
            f"{_GIVE_URL}; endpoint and region are set by AWS_ENDPOINT_URL and AWS_REGION",
        )
    return S3Files(root, options or s3_options(), retries)


def _open_arrow(url: str, _options: S3Options | None, retries: Retries) -> Files:
    """Open a URL of any other scheme with pyarrow, which refuses a scheme that it does not know."""
    root = url.rstrip("/")
    if "://" not in root:
        raise InputError(f"storage {url!r}", "no bucket", _GIVE_URL)
    return ArrowFiles(root, retries)


BACK_ENDS: dict[str, OpenFiles] = {
    "file": _open_local,
    "s3": _open_s3,
    "gs": _open_arrow,
}
"""By the scheme of a URL. A path without a scheme is local."""
