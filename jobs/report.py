"""`python -m jobs.report --storage URL`: `raycl report` as a job."""

from __future__ import annotations

import sys

from raycl.cli.main import main

if __name__ == "__main__":
    main(["report", *sys.argv[1:]])
