"""What a command that was killed or interrupted had started, which must end by itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.helpers.waiting import wait_until, wait_until_ended


@dataclass(frozen=True)
class Orphans:
    """The processes of a driver's own cluster, and the driver's process id."""

    driver: int
    children: list[psutil.Process]

    def assert_gone(self) -> None:
        """Wait until neither a process of the cluster nor its folder is left."""
        wait_until_ended(self.children)
        wait_until(
            lambda: not list(Path("/tmp").glob(f"raycl-{self.driver}-*")),
            f"the cluster's folder /tmp/raycl-{self.driver}-* is removed",
        )
