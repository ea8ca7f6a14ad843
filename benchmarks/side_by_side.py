"""Compares tokens/s of raycl's loop and of others on the CPU, with one model and the same rows.

    python -m benchmarks.side_by_side [--runs 7] [--steps 20] [--json FILE]
    python -m benchmarks.side_by_side --smoke       (seconds; tests the script)

GPT-NeoX of 1.3M parameters, 32 rows of 128 tokens a step, float32, fused AdamW, rows in memory: one
process with one thread, then two processes with one thread each. The loops take turns. litgpt (with
lightning) and accelerate take part where they are installed. Speeds are given by the clock and by
the time for which a worker's threads ran.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.loops.contenders import ONE_PROCESS, TWO_PROCESSES, left_out
from benchmarks.loops.sizes import Speed
from benchmarks.loops.turns import Turns, one_process, two_processes

Numbers = dict[str, Any]


def summary(speeds: Sequence[Speed]) -> Numbers:
    """Medians of the runs, the middle half of their tokens/s, and the runs themselves."""
    per_second = [speed.per_second for speed in speeds]
    low, middle, high = statistics.quantiles(per_second, n=4, method="inclusive")
    running = [speed.per_cpu_second for speed in speeds]
    return {
        "median": round(middle),
        "middle half": [round(low), round(high)],
        "median by CPU time": round(statistics.median(running)),
        "runs": [round(speed) for speed in per_second],
        "runs by CPU time": [round(speed) for speed in running],
    }


def measure(turns: Turns) -> Iterator[Numbers]:
    """What is known after one process, and after two; with the load of the machine."""
    found: Numbers = {
        "environment": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "cpus": os.cpu_count(),
        },
        "timed steps of a run": turns.steps,
    }
    loads = [round(os.getloadavg()[0], 1)]
    parts = (("1 process", ONE_PROCESS, one_process), ("2 processes", TWO_PROCESSES, two_processes))
    for name, contenders, run in parts:
        measured = {loop: summary(speeds) for loop, speeds in run(turns).items()}
        found[name] = measured | left_out(contenders, turns.smoke)
        loads.append(round(os.getloadavg()[0], 1))
        found["environment"]["load before and after"] = loads
        yield found


def table(found: Numbers) -> Iterator[str]:
    """A line for each loop: median, middle half, and how many times as fast raycl is."""
    for key, value in found["environment"].items():
        yield f"{key}: {value}"
    for part in [name for name in found if name.endswith(("process", "processes"))]:
        heads = f"{'tokens/s':>9} {'middle half':>17}   raycl is {'by CPU time':>12}   raycl is"
        yield f"{part:24} {heads}"
        for loop, numbers in found[part].items():
            if isinstance(numbers, str):
                yield f"  {loop:22} {numbers}"
                continue
            low, high = numbers["middle half"]
            ratio, running = (
                found[part]["raycl"][clock] / numbers[clock]
                for clock in ("median", "median by CPU time")
            )
            middle = f"{low:,} to {high:,}"
            yield (
                f"  {loop:22} {numbers['median']:9,} {middle:>17}    {ratio:.3f} × "
                f"{numbers['median by CPU time']:12,}    {running:.3f} ×"
            )


def main() -> None:
    """Measure, print the table, write JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="two short runs of the quick loops")
    parser.add_argument("--runs", type=int, default=7, help="runs of each loop, at least 2")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of a run")
    parser.add_argument("--json", type=Path, help="where all numbers are written")
    arguments = parser.parse_args()
    turns = Turns(arguments.runs, arguments.steps)
    if arguments.smoke:
        turns = Turns(2, 1, batch=2, smoke=True)
    found: Numbers = {}
    for found in measure(turns):
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=2), encoding="utf-8")
    for line in table(found):
        print(line)


if __name__ == "__main__":
    main()
