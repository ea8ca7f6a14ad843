"""Keeps the harness from printing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the harness' output, a progress bar for every few rows. Errors are raised anyway."""
    with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
        yield
