"""Runs a sweep over S3 under random faults, and compares it with the same sweep undisturbed.

python -m benchmarks.soak [--kills 50] [--seed 0] [--seconds-limit 3600] [--steps 60] [--replays 4]

The soak starts a real S3 server, a proxy in front of it that injects faults, and `raycl sweep`
again and again until one has ended well. When a sweep ends and faults are left, another one begins
in a new storage. The exit code is 1 where a weight differs in a bit, a step read other rows, or a
lease is left.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import step_log
from benchmarks.soak_faults import FAULTS, deck
from benchmarks.soak_round import Round, copy_corpora, end_tensors, recipe
from tests.helpers.fault_proxy import fault_proxy
from tests.helpers.s3_server import s3_server

_STUCK_SECONDS = 180.0
"""A command that makes no step for this long after a fault counts as stuck and is killed."""


@dataclass
class Tally:
    """Counts of the injected faults and of their outcomes, by name of the fault."""

    injected: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    stuck: list[str] = field(default_factory=list)
    retrained: int = 0
    steps: int = 0
    problems: list[str] = field(default_factory=list)


def wait_for_a_step(of: Round, before: int, limit: float) -> str:
    """Wait until a step is made (`step`) or the command has ended (`ended`).

    The answer is `stuck` where neither happens within `limit` seconds.
    """
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        of.note_children()
        if of.steps_made() > before:
            return "step"
        if not of.running():
            return "ended"
        time.sleep(0.1)
    return "stuck"


def disturb(of: Round, faults: list[str], generator: random.Random, tally: Tally) -> None:
    """Inject one fault after another; return when no command runs any more, or no fault is left."""
    if wait_for_a_step(of, of.steps_made(), _STUCK_SECONDS) == "stuck":
        tally.stuck.append("at its start")
        of.command.kill()
    while faults and of.running():
        time.sleep(generator.uniform(0.0, 3.0))
        if not of.running():
            return
        name, victim = faults[0], of.command
        if not FAULTS[name](of, generator):  # it has no victim now, so another fault comes first
            faults.append(faults.pop(0))
            continue
        faults.pop(0)
        tally.injected[name] += 1
        judge(of, name, victim, tally)


def judge(of: Round, name: str, victim: subprocess.Popen[bytes], tally: Tally) -> None:
    """Note whether the command goes on by itself after the fault."""
    time.sleep(0.5)  # by then steps under way are made, and a command that was hit begins to end
    outcome = wait_for_a_step(of, of.steps_made(), _STUCK_SECONDS)
    if outcome == "stuck":
        tally.stuck.append(name)
        victim.kill()
        victim.wait()
    survived = victim.poll() in (None, 0)
    (tally.survived if survived else tally.again)[name] += 1
    tell(f"{name}: {outcome}")


def tell(what: str) -> None:
    """Print progress, with the time of day, to standard error."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def check(of: Round, expected: Round, tally: Tally) -> None:
    """Compare weights, rows and leases with those of the undisturbed run, and note problems."""
    wanted, found = end_tensors(expected.storage), end_tensors(of.storage)
    if not wanted or wanted != found:
        other = sorted(key for key in wanted | found if wanted.get(key) != found.get(key))
        tally.problems.append(f"{of.url}: {len(other)} tensors differ, such as {other[:3]}")
    if left := of.storage.list("leases/nodes"):
        tally.problems.append(f"{of.url}: leases are left on {left}")
    plan, made = step_log.read(expected.log), step_log.read(of.log)
    if missing := plan.keys() - made.keys():
        tally.problems.append(f"{of.url}: {len(missing)} steps were never made")
    for step, checksums in made.items():
        if set(checksums) != set(plan.get(step, ())):
            tally.problems.append(f"{of.url}: other rows in the step before {step}")
    tally.steps += len(plan)
    tally.retrained += sum(sum(sums.values()) for sums in made.values()) - len(plan)


def finish(of: Round, deadline: float) -> bool:
    """Run the command until it ends well; returns whether it did so before the deadline."""
    while time.monotonic() < deadline:
        while of.running() and time.monotonic() < deadline:
            of.note_children()
            time.sleep(0.2)
        if not of.running() and of.ended_well():
            return True
        if not of.running():
            of.start()
    return False


def print_table(tally: Tally, seconds: float, rounds: int, nodes: int) -> None:
    """Print the counts and every problem."""
    print(f"{'fault':28} {'injected':>8} {'survived':>8} {'run again':>9}")
    for name in FAULTS:
        print(f"{name:28} {tally.injected[name]:8} {tally.survived[name]:8} {tally.again[name]:9}")
    totals = [c.total() for c in (tally.injected, tally.survived, tally.again)]
    print(f"{'all':28} {totals[0]:8} {totals[1]:8} {totals[2]:9}")
    print(
        f"{rounds} sweeps of {nodes} nodes in {seconds:.0f} s: {tally.steps} steps by rank, "
        f"{tally.retrained} of them trained again ({tally.retrained / max(1, tally.steps):.1%})"
    )
    print(f"stuck for {_STUCK_SECONDS:.0f} s after: {', '.join(tally.stuck) or 'nothing'}")
    same = "every node's final weights equal the undisturbed run's bit for bit"
    print("; ".join(tally.problems) or same)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the whole soak; returns 1 where a check failed or a command was stuck."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds-limit", type=float, default=3600.0)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--replays", type=int, choices=range(1, 5), default=4)
    parser.add_argument("--stall-seconds", type=float, default=30.0)
    options = parser.parse_args(arguments)
    # Both raise KeyboardInterrupt, so that everything is cleaned up. SIGINT has to be set as well,
    # because a shell starts a background job with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()
    deadline = began + options.seconds_limit
    generator, tally = random.Random(options.seed), Tally()
    faults = deck(generator, options.kills)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="raycl-soak-")))
        server = stack.enter_context(s3_server())
        proxy = stack.enter_context(fault_proxy(server.endpoint, options.stall_seconds))
        os.environ.update(server.environment())
        bucket, file = server.new_bucket(), recipe(folder, options.steps, options.replays)

        def new_round(name: str, endpoint: str) -> Round:
            own = folder / name
            own.mkdir()
            step_log.install(own)
            url = f"s3://{bucket}/{name}"
            made = Round(file, url, server, proxy, endpoint, own, own / "steps")
            stack.callback(made.end)
            return made

        tell("store is up")
        undisturbed, rounds = new_round("undisturbed", server.endpoint), 0
        if not finish(undisturbed, deadline):
            print("the undisturbed sweep did not end in time")
            return 1
        while faults and time.monotonic() < deadline:
            tell("undisturbed sweep done" if not rounds else f"sweep {rounds} done")
            rounds += 1
            disturbed = new_round(f"disturbed-{rounds}", proxy.endpoint)
            copy_corpora(disturbed, undisturbed)
            while faults and time.monotonic() < deadline:
                if not disturbed.running():
                    if disturbed.ended_well():
                        break
                    disturbed.start()
                disturb(disturbed, faults, generator, tally)
            if finish(disturbed, deadline + 300):
                check(disturbed, undisturbed, tally)
            else:
                tally.problems.append(f"{disturbed.url}: it did not end in time")
    nodes = 1 + 2 * options.replays
    tell("all done")
    print_table(tally, time.monotonic() - began, rounds, nodes)
    return 1 if tally.problems or tally.stuck else 0


if __name__ == "__main__":
    raise SystemExit(main())
