"""Files that other programs put beside the data: they are passed over in folders and patterns.

A marker file whose own name is given is read like any other file.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

_MARKERS = (
    # Hadoop, Spark, Dask and pyarrow
    "_success",
    "_metadata",
    "_common_metadata",
    "_started*",
    "_committed*",
    "*.crc",
    # Hugging Face's datasets
    "dataset_infos.json",
    "dataset_info.json",
    "dataset_dict.json",
    "state.json",
    "cache-*.arrow",
    "tmp*.arrow",
    # people
    "readme",
    "readme.*",
    "license",
    "license.*",
    "licence",
    "licence.*",
    "notice",
    "notice.txt",
    "*.md5",
    "*.sha1",
    "*.sha256",
    "md5sum*",
    "sha256sum*",
    "*.lock",
    # file managers
    "thumbs.db",
    "desktop.ini",
)


def is_marker(name: str) -> bool:
    """Whether a file of this name says something about the data beside it, and is none itself."""
    lower = name.lower()
    return any(fnmatchcase(lower, pattern) for pattern in _MARKERS)


def is_marker_folder(name: str) -> bool:
    """Whether a folder holds a writer's own files, such as `_temporary` and `_delta_log`."""
    return name.startswith("_")
