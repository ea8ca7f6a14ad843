"""A storage as one look has found it: what watches a sweep reads all of it through this."""

from __future__ import annotations

from typing_extensions import override

from raycl.dashboard.listed_files import ListedFiles
from raycl.storage import Storage, layout
from raycl.storage.options import S3Options
from raycl.storage.requests import Kind
from raycl.storage.retries import Retries

FOLDERS = (
    layout.STATES,
    layout.SWEEPS,
    layout.LIVE,
    layout.STEERING,
    layout.FAILURES,
    layout.LEASES,
    layout.EVALUATIONS,
)
"""The folders that change while sweeps run."""
_BRIEF = Retries(attempts=3, within_seconds=20)
"""A look that fails is not worth waiting for: the next one comes soon."""


class ListedStorage(Storage):
    """A storage that is read, what is in `FOLDERS` as it was at the last `listed.look()`.

    What somebody writes goes to the storage itself, and is seen after the next look.
    """

    def __init__(
        self, url: str, options: S3Options | None = None, retries: Retries | None = None
    ) -> None:
        super().__init__(url, options, retries or _BRIEF)
        self.listed = ListedFiles(self._files, FOLDERS)

    @override
    def _read(self, kind: Kind) -> ListedFiles:
        return self.listed  # which counts its requests itself
