"""Digests of much text, by tasks on all machines of the cluster."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from raycl.data.prepare import ray_tasks
from raycl.data.prepare.digests import Progress, hash_file, is_settled, remember, unknown
from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.source import InputFile, TextSource

_FEW_BYTES = 4 * 2**30
"""What one machine reads sooner than tasks start for it."""


def hash_inputs(sources: Iterable[TextSource], report: Progress) -> None:
    """Read the files of the sources whose digests are not known, where they are large.

    Afterwards this machine knows the digests. Needs a running Ray. Raises InputError.
    """
    files = {file.url: file for source in sources for file in find_files(source)}
    missing = unknown(files.values())
    if sum(file.size for file in missing) < _FEW_BYTES:
        return
    items = [asdict(file) for file in missing]
    for count, result in enumerate(ray_tasks.run_tasks(_hash, items), start=1):
        file = files[result["url"]]
        if is_settled(file):
            remember(file, result["sha256"])
        report("read", count, len(missing))


def _hash(item: dict[str, Any]) -> dict[str, Any]:
    file = InputFile(**item)
    return {"url": file.url, "sha256": hash_file(file)}
