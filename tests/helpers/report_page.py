"""What a report page holds: the snapshot that its figures and tables are drawn from."""

from __future__ import annotations

import json
import re
from typing import Any

_SNAPSHOT = re.compile(r'<script type="application/json" id="snapshot">(.*?)</script>', re.DOTALL)


def snapshot_in(page: bytes) -> dict[str, Any]:
    """The snapshot inside a page; see `raycl.watch.contract.WholeSnapshot`."""
    (text,) = _SNAPSHOT.findall(page.decode())
    found: dict[str, Any] = json.loads(text)
    return found
