"""The Hugging Face hub as a file system whose failures are OSErrors, as those of other places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from huggingface_hub import HfFileSystem
from typing_extensions import override


class HubFiles(HfFileSystem):
    """Files of the hub, read in parts. Failures that may pass are tried again by its client."""

    @override
    def _open(self, *arguments: Any, **options: Any) -> Any:
        file = _failing_as_files_do(super()._open)(*arguments, **options)
        file.cache.fetcher = _failing_as_files_do(file.cache.fetcher)
        return file


def _failing_as_files_do(action: Callable[..., Any]) -> Callable[..., Any]:
    def run(*arguments: Any, **options: Any) -> Any:
        try:
            return action(*arguments, **options)
        except OSError:
            raise
        except Exception as error:  # those of the client's transport have no common base class
            raise OSError(f"{type(error).__name__}: {error}") from error

    return run
