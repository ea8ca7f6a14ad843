"""A Ray of our own is confined to this machine, or not started.

tests/sweep/test_end_to_end.py looks at the servers of a whole sweep.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.helpers.paths import ROOT


def environment() -> dict[str, str]:
    """The variables of a user's shell, which lack what the tests' own process tells Ray."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_ray_that_was_imported_too_early_is_refused() -> None:
    program = (
        "import ray\n"
        "from raycl.cluster.connect import cluster\n"
        "from raycl.cluster.options import ClusterOptions\n"
        "with cluster(ClusterOptions(workers=1)):\n    pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "it was imported before raycl could confine it to this machine" in done.stderr
    assert "Set RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0" in done.stderr
