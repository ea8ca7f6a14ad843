"""Counts the requests of this process to storages, for monitoring."""

from __future__ import annotations

from collections import Counter
from typing import Literal

Kind = Literal["read", "write", "list", "look", "remove"]
"""What a request asks for; `look`: whether a file is there, or how large it is."""
REQUESTS: Counter[Kind] = Counter()
"""Requests of this process by kind. What is tried again counts once, and so does a large file that
is read or written in parts by one call. Threads that count at one moment may lose one."""
