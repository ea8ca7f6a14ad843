"""A storage that notes how many bytes each read asks for and gets, in whatever process it reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raycl.storage import Storage


class CountingStorage(Storage):
    """Appends a line of bytes read to the local file `log`; the log travels with it."""

    def __init__(self, url: str, log: str, *arguments: Any) -> None:
        super().__init__(url, *arguments)
        self.log = log

    def __reduce__(self) -> tuple[Any, ...]:
        return CountingStorage, (self.url, self.log, self.options)

    def _noted(self, data: bytes) -> bytes:
        with Path(self.log).open("a") as file:
            file.write(f"{len(data)}\n")
        return data

    def read_bytes(self, path: str) -> bytes:
        return self._noted(super().read_bytes(path))

    def read_range(self, path: str, start: int, length: int) -> bytes:
        return self._noted(super().read_range(path, start, length))

    def reads(self) -> list[int]:
        """Bytes of every read so far."""
        return [int(line) for line in Path(self.log).read_text().splitlines()]
