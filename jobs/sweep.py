"""`python -m jobs.sweep RECIPE --storage URL`: `raycl sweep` as a job.

It runs in the cluster that the job was submitted to, with that cluster's own identity.
"""

from __future__ import annotations

import sys

from raycl.cli.main import main

if __name__ == "__main__":
    main(["sweep", *sys.argv[1:], "--address", "auto"])
