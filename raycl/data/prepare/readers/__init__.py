"""Readers of text, one module for each format of files; every module here is imported.

A new format is a new module with a class made from `Reader` and a call of `register`.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

from raycl.data.prepare.readers.reader import (
    READERS,
    Reader,
    reader_for_suffix,
    reader_named,
    register,
)

# Tasks run in other processes, which import this package and so know the same readers.
for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    import_module(_module.name)

__all__ = ["READERS", "Reader", "reader_for_suffix", "reader_named", "register"]
