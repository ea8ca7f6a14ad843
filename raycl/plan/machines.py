"""Machines with GPUs, as options of a command name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from raycl.errors import InputError
from raycl.plan.scaling import Machine

_A100 = Machine(peak_flops=312e12, memory=80e9, inside=300e9, outside=6.25e9)
MACHINES: Mapping[str, Machine] = {
    "H100": Machine(),
    "H200": Machine(memory=141e9),
    "B200": Machine(peak_flops=2250e12, memory=180e9, inside=900e9),
    "A100": _A100,
    "A100-80G": _A100,
    "A100-40G": replace(_A100, memory=40e9),
}
"""By the name of the GPU, which is Ray's too, in hosts of eight: NVLink 4, 4, 5 and 3, and the
network cards of AWS' p5, p5en, p6-b200, p4de and p4d."""
_UNITS: Mapping[str, float] = {"GB": 1e9, "GiB": 2**30, "MB": 1e6, "MiB": 2**20}


def machine_of(
    gpu: str | None, memory: str | None = None, per_host: int | None = None
) -> Machine | None:
    """The machine that the options describe; None where neither GPU nor memory is given.

    Without a kind of GPU, links and speed are those of an H100. Raises InputError.
    """
    if gpu is None and memory is None:
        return None
    machine = Machine() if gpu is None else _named(gpu)
    if memory is not None:
        machine = replace(machine, memory=_bytes(memory))
    return replace(machine, gpus_per_host=per_host or machine.gpus_per_host)


def _named(gpu: str) -> Machine:
    found = MACHINES.get(gpu.upper())
    if found is None:
        known = ", ".join(MACHINES)
        remedy = f"Take one of {known}, or --memory-per-gpu"
        raise InputError(f"--gpu {gpu}", "no GPU whose memory is known here", remedy)
    return found


def _bytes(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(GB|GiB|MB|MiB)", text.strip())
    if found is None or not float(found[1]):
        raise InputError(f"--memory-per-gpu {text}", "no size", "Give one such as 80GB or 48GiB")
    return float(found[1]) * _UNITS[found[2]]
