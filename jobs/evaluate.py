"""`python -m jobs.evaluate --storage URL --sweep NAME`: `raycl evaluate` as a job."""

from __future__ import annotations

import sys

from raycl.cli.main import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:], "--address", "auto"])
