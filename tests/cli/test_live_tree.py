"""The tree that a terminal shows while it is trained, and the lines above it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import pytest
from rich.console import Console

from raycl.cli.live_tree import live_tree
from raycl.watch.progress import NodeProgress, NodeStatus, TreeProgress
from tests.helpers.paths import ROOT
from tests.helpers.screen import run_in_terminal, screen_of


def tree_of(statuses: Sequence[NodeStatus]) -> TreeProgress:
    """A root and as many nodes below it, each of 100 steps, which is half done if it runs."""
    clock = iter(range(10**6))
    names = [f"node-{place}" for place in range(len(statuses))]
    nodes = [NodeProgress("root", "english 0–100 (all)", None, 0, 100)]
    nodes += [NodeProgress(name, f"german 100–200 ({name})", "root", 100, 200) for name in names]
    tree = TreeProgress(nodes, 200 * len(names), clock=lambda: float(next(clock)))
    tree.set("root", "finished")
    for name, status in zip(names, statuses, strict=True):
        if status == "training":
            tree.set(name, "starting")
            for step in (140, 150):
                numbers = {"step": step, "loss": 3.4127, "tokens_per_second": 12345.6}
                tree.report(name, numbers)
        else:
            tree.set(name, status)
    return tree


def shown(tree: TreeProgress, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, file=open(os.devnull, "w"), record=True)  # noqa: SIM115
    console.print(live_tree(tree, width, height))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_small_tree_is_shown_as_a_tree() -> None:
    lines = shown(tree_of(["finished", "training", "failed", "waiting"]), 120, 30)
    assert [line.split("  ")[0] for line in lines[:1]] == ["english 0–100 (all)"]
    assert lines[1].startswith("  german 100–200 (node-0) ")
    running = " ".join(lines[2].split())
    assert running.startswith("german 100–200 (node-1) training ")
    assert running.endswith("50% 5 s 12,346 tokens/s loss 3.413")
    assert lines[3].endswith(" failed")
    assert lines[-1].split("sweep ")[1].startswith("50%, 2 of 5 nodes done, ETA ")
    assert lines[-1].endswith("sharing saves 37%, 1 training, 1 failed, 12,346 tokens/s")


@pytest.mark.parametrize(("width", "height"), [(40, 12), (80, 24), (200, 60)])
def test_a_large_tree_shows_what_runs_and_counts_the_rest(width: int, height: int) -> None:
    many: list[NodeStatus] = [*(("finished",) * 500), *(("waiting",) * 496)]
    many[700:700] = ["training", "failed", "training"]
    lines = shown(tree_of(many), width, height)
    assert len(lines) <= height - 2
    assert max(map(len, lines)) <= width
    assert ["training" in line for line in lines[:3]] == [True, True, False]
    assert "failed" in lines[2]
    rest = 1000 - (height - 5)
    assert lines[-2].startswith(f"… and {rest:,} more: ")


SHOW = """
import os, sys, threading
from raycl.cli.output import LastingConsole
from raycl.cli.event_printers import TreePrinter, console_printer
from raycl.cluster import watch
from raycl.sweep.events import SweepEvent
from tests.cli.test_live_tree import tree_of
tree = tree_of(["finished", "training", "waiting"])
told = console_printer(LastingConsole())
assert isinstance(told, TreePrinter)
told("Starting Ray …")
told.begin(tree)
told.event(SweepEvent("started", "node-1", "german 100–200 (node-1)"))
told("a sentence that is longer than the terminal is wide, as some of them are " * 2)
os.write(2, b"a warning of a library in C\\n")
print("a warning in Python", file=sys.stderr)
told.event(SweepEvent("failed", "node-1", "german 100–200 (node-1)", reason="it broke"))
told.end()
if not (child := os.fork()):
    told.begin(tree)
    watch._end("error: raylet was killed", "/no/such/folder")
assert os.waitpid(child, 0)[1]
print("after", file=sys.stderr)
"""


def test_what_scrolls_above_the_tree_does_not_tear_it() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        environment.pop(name, None)
    written = run_in_terminal([sys.executable, "-c", SHOW], 90, 20, environment)
    assert "german 100–200 (node-1)" in written  # the tree was there
    assert "\x1b[?25h" in written  # and the cursor is again
    lines = [line for line in screen_of(written, 90) if line]
    assert lines[0] == "Starting Ray …"
    whole = [line for line in lines if line.startswith("a warning")]
    assert whole == ["a warning of a library in C", "a warning in Python"]
    failed = next(line for line in lines if "failed: it broke; sweep 62%" in line)
    assert failed[:4].isdigit()  # it begins with its time
    assert lines[-3].startswith("sweep 62%, 2 of 4 nodes done")
    # A command that ends at once, because a part of Ray is gone, says so in a whole terminal too.
    assert lines[-2:] == ["error: raylet was killed", "after"]
    assert written.count("\x1b[?25h") == 2
    assert not any("waiting" in line for line in lines)  # the tree is gone
