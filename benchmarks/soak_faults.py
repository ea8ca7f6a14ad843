"""The faults of a soak, each of which disturbs a running sweep. See `benchmarks.soak`."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import psutil

from tests.helpers.fault_proxy import KINDS, at_random, nothing

if TYPE_CHECKING:
    from benchmarks.soak_round import Round

BURST_SECONDS = 3.0
BURST_SHARE = 0.3
_TRIAL, _CONTROLLER, _WORKER = "ray::ImplicitFunc", "TrainController", "RayTrainWorker"

Inject = Callable[["Round", random.Random], bool]
"""A function that injects a fault. It returns False where the fault has no victim now."""


def _processes(of: Round, title: str) -> list[psutil.Process]:
    found = []
    for process in of.children():
        with contextlib.suppress(psutil.Error):
            if title in " ".join(process.cmdline()):
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def _kill_one(of: Round, generator: random.Random, title: str) -> bool:
    found = _processes(of, title)
    if not found:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        generator.choice(found).kill()
    return True


def kill_worker(of: Round, generator: random.Random) -> bool:
    """Kill a process that trains: one rank of several, or a trial that trains alone."""
    return _kill_one(of, generator, _WORKER) or _kill_one(of, generator, _TRIAL)


def kill_trial(of: Round, generator: random.Random) -> bool:
    """Kill a trial. For a node of several workers, it is the process that drives them."""
    return _kill_one(of, generator, _TRIAL)


def kill_controller(of: Round, generator: random.Random) -> bool:
    """Kill Ray Train's controller of a node of several workers."""
    return _kill_one(of, generator, _CONTROLLER)


def kill_driver(of: Round, _: random.Random) -> bool:
    """Kill the command itself."""
    of.command.kill()
    return True


def kill_store(of: Round, generator: random.Random) -> bool:
    """Kill the S3 server, and start it again on its files after a few seconds."""
    of.server.kill()
    time.sleep(generator.uniform(1.0, 5.0))
    of.server.start()
    return True


def second_sweep(of: Round, _: random.Random) -> bool:
    """Start the same command a second time, beside the first."""
    if len(of.running()) > 1:
        return False
    of.start()
    return True


def _signal(number: signal.Signals) -> Inject:
    def send(of: Round, _: random.Random) -> bool:
        of.command.send_signal(number)
        return True

    return send


def _burst(number: int) -> Inject:
    def burst(of: Round, generator: random.Random) -> bool:
        of.proxy.schedule = at_random(generator.randrange(2**31), BURST_SHARE, (KINDS[number],))
        time.sleep(BURST_SECONDS)
        of.proxy.schedule = nothing
        return True

    return burst


FAULTS: dict[str, Inject] = {
    "kill -9 a worker": kill_worker,
    "kill -9 a trial": kill_trial,
    "kill -9 Train's controller": kill_controller,
    "kill -9 the sweep": kill_driver,
    "kill -9 the S3 server": kill_store,
    "SIGTERM": _signal(signal.SIGTERM),
    "SIGINT": _signal(signal.SIGINT),
    "a second sweep at once": second_sweep,
    **{f"burst: {kind}": _burst(number) for number, kind in enumerate(KINDS)},
}


def deck(generator: random.Random, count: int) -> list[str]:
    """`count` faults in random order, each kind as often as the others, give or take one."""
    names: list[str] = []
    while len(names) < count:
        names += generator.sample(list(FAULTS), len(FAULTS))
    return names[:count]
