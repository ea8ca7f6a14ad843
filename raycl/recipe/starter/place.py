"""Where a first recipe is trained: on this machine's CPUs or GPUs, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from raycl.cluster.machine_speed import gpu_names, multiplied_flops
from raycl.errors import InputError
from raycl.plan.machines import MACHINES
from raycl.plan.peak_flops import peak_flops
from raycl.plan.scaling import Machine
from raycl.recipe.starter.answers import Place
from raycl.recipe.starter.budget import Speed
from raycl.units import format_count

LAPTOP, GPUS = "laptop", "gpus"
_REACHED_BY_GPU, _REACHED_BY_CPU = 0.3, 0.5
"""Shares of a device's rate that training reaches: benchmarks/README.md has 30 % without `compile`
and 41 % with it for 405M parameters on one H200. On CPUs it is about half of what matrix products
reach by themselves."""


def usual_place() -> str:
    """The answer that this machine suggests."""
    return GPUS if gpu_names() else LAPTOP


def check_place(text: str) -> Place:
    """The place that an answer means: `laptop`, `gpus`, or a cluster's address.

    Raises InputError.
    """
    if text == LAPTOP:
        return Place()
    if text == GPUS:
        names = gpu_names()
        return Place(len(names) or 1, _kind(names[0]) if names else None)
    if text == "auto" or ":" in text:
        return Place(address=text)
    raise InputError(repr(text), "no place", f"Give {LAPTOP}, {GPUS}, auto, or an address")


def check_kind(text: str) -> str:
    """The kind of GPU in an answer. Raises InputError where its speed is not known."""
    if text.upper() in MACHINES:
        return text.upper()
    if peak_flops(text, "bfloat16") is None:
        known = ", ".join(MACHINES)
        raise InputError(repr(text), "a GPU whose speed is not known here", f"Give one of {known}")
    return text


def machine(place: Place) -> Machine | None:
    """The machine of a kind of GPU whose memory is known; None: it is not checked."""
    return MACHINES.get(place.kind or "") if place.gpus else None


def speed(place: Place) -> Speed:
    """How fast the place trains. Raises InputError where that cannot be estimated."""
    if place.gpus:
        peak = peak_flops((place.kind or "").partition("-")[0], "bfloat16")
        if peak is None:
            problem = "the kind of the GPUs is not known, so hours cannot become tokens"
            raise InputError("--gpu", problem, "Give it, such as H100; or give tokens as --budget")
        what = place.kind if place.gpus == 1 else f"{place.gpus} {place.kind}"
        source = f"{_REACHED_BY_GPU:.0%} of the peak of {what}, an assumption"
        return Speed(_REACHED_BY_GPU * peak * place.gpus, source)
    if place.address is not None:
        problem = "the speed of the cluster's CPUs is not known, so hours cannot become tokens"
        raise InputError("--budget", problem, "Give tokens, such as 50M")
    measured = multiplied_flops()
    rate = f"{format_count(measured)} FLOPs a second"
    source = f"half of the {rate} that matrix products were just measured at here"
    return Speed(_REACHED_BY_CPU * measured, source)


def with_workers(place: Place) -> Iterator[Place]:
    """The place with 1, 2, 4 … workers for each recipe, up to its GPUs; they are all a host's."""
    workers = 1
    while workers <= max(1, place.gpus):
        yield replace(place, workers=workers)
        workers *= 2


def _kind(name: str) -> str:
    """The kind of a GPU by its driver's name for it: `NVIDIA H100 80GB HBM3` is an H100."""
    words = name.replace("-", " ").split()
    if "A100" in words:
        return "A100-40G" if "40GB" in words else "A100-80G"
    return next((word for word in words if word in MACHINES), name)
