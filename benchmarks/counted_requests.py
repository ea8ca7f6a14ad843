"""A storage that notes every request to it in a file, from all processes that use it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from raycl.storage import Storage


class _CountedFiles:
    def __init__(self, files: Any, log: str) -> None:
        self._files, self._log = files, log

    def conditional(self) -> _CountedFiles:
        return self  # a local folder has conditional writes, and they are counted too

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._files, name)

        def call(path: str, *arguments: Any) -> Any:
            result = method(path, *arguments)
            size = len(result) if isinstance(result, bytes) else 0
            self._note(f"{name} {path.partition('/')[0] or '.'} {size}\n")
            return result

        return call

    def _note(self, line: str) -> None:
        # Processes write to the file at once. A single write in append mode stays whole.
        file = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)


class CountedStorage(Storage):
    """A local storage that writes a line for each request into the file `log`.

    A line has the kind of request, the first folder of its path, and the bytes that came back.
    """

    def __init__(self, url: str, log: str, *arguments: Any) -> None:
        super().__init__(url, *arguments)
        self.log = log
        self._files = _CountedFiles(self._files, log)  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        return CountedStorage, (self.url, self.log, self.options, self.retries)

    def requests(self) -> Counter[str]:
        """Number of requests that have succeeded, by kind and first folder of the path."""
        return Counter(line.rpartition(" ")[0] for line in self._lines())

    def bytes_read(self) -> int:
        """Number of bytes that requests have returned."""
        return sum(int(line.rpartition(" ")[2]) for line in self._lines())

    def _lines(self) -> list[str]:
        path = Path(self.log)
        return path.read_text().splitlines() if path.exists() else []
