"""Measures raycl's training loop on one GPU: losses, resume, speed, memory, costly operations.

    python -m benchmarks.gpu --json gpu.json      (a CUDA device; under five minutes on an H100)
    python -m benchmarks.gpu --smoke              (any machine; takes seconds, tests the script)

Needs torch 2.11 or later, transformers 5.17 or later, pyarrow, numpy, safetensors, and pydantic
with pydantic-core, annotated-types and typing-inspection; no Ray and no network. All numbers come
from `raycl.train.loop.train` itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import transformers
from safetensors.torch import load_file

from benchmarks.gpu_runs import FULL, SMOKE, Case, Precision, Sizes, make_task, write_rows
from benchmarks.gpu_speed import profiled_ops, speed
from raycl.data.rank_reader import direct_batches
from raycl.plan.execution import Execution
from raycl.plan.training import Training
from raycl.storage import Storage
from raycl.train.checkpoint.load import load_history
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.loop import train
from raycl.train.world import World

Numbers = dict[str, Any]


def environment(device: torch.device) -> Numbers:
    """Versions of the libraries, and the device by CUDA's name for it."""
    found: Numbers = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": "cpu",
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found |= {
            "device": properties.name,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
        }
    return found


@contextlib.contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Have the loop train on `device` inside the block; by itself it takes CUDA if it can."""
    with mock.patch("raycl.train.loop.current_world", return_value=World(0, 1, device)):
        yield


def trained(folder: Path, task: Training, *stops: int) -> Storage:
    """Train to each of these steps and then to the end, each time from the last stored state."""
    storage = Storage(folder)
    write_rows(storage, task)
    for stop in (*stops, task.stop):
        part = replace(task, stop=stop)
        train(part, storage, direct_batches(part, storage, 0, 1), lambda _: None)
    return storage


def losses(storage: Storage, task: Training) -> list[float]:
    """The loss of each step in nats/token, for a training without a stop in between."""
    lines = load_history(storage, read_state(storage, task.chain.name(task.stop)))
    return [line["loss"] for line in lines if "loss" in line]


def largest_difference(one: Storage, other: Storage, task: Training) -> float:
    """The largest difference of a weight or moment between two end states; 0 if all bits agree."""
    states = []
    for storage in (one, other):
        folder = Path(storage.full_path(f"states/{task.chain.name(task.stop)}"))
        states.append({k: v for f in folder.glob("*.safetensors") for k, v in load_file(f).items()})
    first, second = states
    assert first.keys() == second.keys()
    if all(torch.equal(first[name], second[name]) for name in first):
        return 0.0
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def compare_losses(sizes: Sizes, device: torch.device, scratch: Path) -> Numbers:
    """(a) Train the tiny model on the CPU in float32, and on the device in both precisions."""
    cases: list[tuple[str, Precision]] = [
        ("cpu", "float32"),
        (device.type, "float32"),
        (device.type, "bfloat16"),
    ]
    found: Numbers = {}
    for kind, precision in dict.fromkeys(cases):
        task = make_task(sizes.tiny, Execution(precision=precision))
        where = device if kind == device.type else torch.device("cpu")
        with on_device(where):
            storage = trained(scratch / f"losses-{kind}-{precision}", task)
        found[f"{kind} {precision}"] = losses(storage, task)
    reference = found["cpu float32"]
    gaps = {
        f"{name}, largest gap to cpu float32": max(
            abs(a - b) for a, b in zip(values, reference, strict=True)
        )
        for name, values in found.items()
        if name != "cpu float32"
    }
    return {"losses": found} | gaps


def compare_resume(sizes: Sizes, device: torch.device, scratch: Path) -> Numbers:
    """(b) Compare two equal trainings, and one that resumes in the middle; 0 means equal bits."""
    found: Numbers = {}
    for precision in sizes.resumed:
        for deterministic in (False, True):
            task = make_task(sizes.tiny, Execution(precision=precision))
            name = f"{precision}{', deterministic algorithms' if deterministic else ''}"
            place = scratch / f"resume-{precision}-{deterministic}"
            torch.use_deterministic_algorithms(deterministic, warn_only=True)
            try:
                with on_device(device):
                    one, again = (trained(place / str(number), task) for number in range(2))
                    resumed = trained(place / "resumed", task, task.stop // 2)
            finally:
                torch.use_deterministic_algorithms(False)
            found[f"{name}: same run twice"] = largest_difference(one, again, task)
            found[f"{name}: resumed"] = largest_difference(one, resumed, task)
    return found


def measure(sizes: Sizes, device: torch.device, seconds: float) -> Numbers:
    """All measurements in order; after `seconds`, no further case is begun."""
    began = time.perf_counter()
    found: Numbers = {"environment": environment(device)}
    with tempfile.TemporaryDirectory(prefix="raycl-gpu-") as folder:
        scratch = Path(folder)
        found["a: losses"] = compare_losses(sizes, device, scratch)
        found["b: resume, largest difference"] = compare_resume(sizes, device, scratch)
        found["c: speed"] = speeds = {}
        with on_device(device):
            for case in sizes.cases:
                if time.perf_counter() - began > seconds:
                    speeds[case.name] = {"left out": f"{seconds:.0f} s were over"}
                    continue
                speeds[case.name] = _tried(case, scratch, device)
            if time.perf_counter() - began < seconds:
                found["d: operations by time"] = profiled_ops(sizes.profiled, scratch, device)
    found["seconds"] = round(time.perf_counter() - began, 1)
    return found


def _tried(case: Case, scratch: Path, device: torch.device) -> Numbers:
    """The speed of a case, or why there is none: one that does not fit must not end the others."""
    try:
        return speed(case, scratch, device)
    except torch.cuda.OutOfMemoryError:
        return {"failed": "out of memory"}
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"}


def table(found: Numbers) -> Iterator[str]:
    """Lines of a table of all numbers, each with its name and value."""
    for part, numbers in found.items():
        if not isinstance(numbers, dict):
            yield f"{part:60} {numbers}"
            continue
        for name, value in numbers.items():
            yield f"{part + ': ' + name:60} {_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " ".join(_text(part) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, print the table, write JSON on request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="a tiny size, on any machine")
    parser.add_argument("--json", type=Path, help="where all numbers are written")
    parser.add_argument("--seconds", type=float, default=210, help="begin nothing after this time")
    arguments = parser.parse_args()
    if not (arguments.smoke or torch.cuda.is_available()):
        parser.error("there is no CUDA device. Take --smoke to try the script itself")
    # cuBLAS needs this for deterministic algorithms, and reads it at its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    found = measure(SMOKE if arguments.smoke else FULL, device, arguments.seconds)
    for line in table(found):
        print(line)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
