"""`python -m jobs.prepare RECIPE --storage URL`: `raycl prepare` as a job."""

from __future__ import annotations

import sys

from raycl.cli.main import main

if __name__ == "__main__":
    main(["prepare", *sys.argv[1:], "--address", "auto"])
