"""Logs a line for every training step of every process of a sweep, with the rows that it read.

A `sitecustomize` on the Python path of the sweep's processes installs it, so that it works in Ray's
workers too, and raycl has no code for it. One write appends a line, so that a kill leaves only
whole lines.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

LOG = "RAYCL_SOAK_STEPS"
_MODULE = "raycl.train.trainer"
Step = tuple[str, int, int]
"""Name of the state after the step, rank, world size."""


def install(folder: Path) -> None:
    """Write the `sitecustomize` that makes every Python with this folder on its path log steps."""
    (folder / "sitecustomize.py").write_text(
        "from benchmarks import step_log\nstep_log.hook()\n", encoding="utf-8"
    )


def hook() -> None:
    """Patch the trainer when a process imports it. An import here would load torch everywhere."""
    if os.environ.get(LOG):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_and_patch(module: Any) -> None:
                execute(module)
                _patch(module.Trainer)

            spec.loader.exec_module = exec_and_patch  # type: ignore[method-assign]
        return spec


def _patch(trainer: Any) -> None:
    real = trainer.train_step

    def train_step(self: Any, stream: Iterator[Any]) -> None:
        rows = next(stream, None)
        real(self, iter(() if rows is None else (rows,)))  # raises where there are none
        assert rows is not None
        name, world = self._task.chain.name(self.step), self._world
        _append(f"{name} {world.rank} {world.size} {zlib.crc32(rows.tobytes())}\n")

    trainer.train_step = train_step


def _append(line: str) -> None:
    with open(os.environ[LOG], "ab", buffering=0) as file:
        file.write(line.encode())


def read(log: Path) -> dict[Step, Counter[int]]:
    """From each step to checksums of the rows that it read, with how often it was made so."""
    steps: dict[Step, Counter[int]] = {}
    if log.exists():
        for line in log.read_text().splitlines():
            name, rank, world, checksum = line.split()
            steps.setdefault((name, int(rank), int(world)), Counter())[int(checksum)] += 1
    return steps
