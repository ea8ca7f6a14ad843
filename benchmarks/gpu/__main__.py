"""Command line of `python -m benchmarks.gpu`; see the package."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import torch

from benchmarks.gpu.report import Bench, Report, table
from benchmarks.gpu.sections import SECTIONS
from benchmarks.gpu.sizes import FULL, SMOKE


def main() -> None:
    """Measure, print each row as it comes and then the table, write JSON on request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu")
    parser.add_argument("--smoke", action="store_true", help="a tiny size, on any machine")
    parser.add_argument("--json", type=Path, help="where all numbers are written")
    parser.add_argument("--seconds", type=float, default=540, help="the time of the whole run")
    parser.add_argument("--only", nargs="*", choices=[section.name for section in SECTIONS])
    arguments = parser.parse_args()
    if not (arguments.smoke or torch.cuda.is_available()):
        parser.error("there is no CUDA device. Take --smoke to try the script itself")
    # cuBLAS needs this for deterministic algorithms, and reads it at its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    report = Report(arguments.json, arguments.seconds)
    with tempfile.TemporaryDirectory(prefix="raycl-gpu-") as folder:
        bench = Bench(SMOKE if arguments.smoke else FULL, device, Path(folder))
        for section in SECTIONS:
            if arguments.only is None or section.name in arguments.only:
                report.run(section, bench)
    for line in table(report.rows):
        print(line)


if __name__ == "__main__":
    main()
