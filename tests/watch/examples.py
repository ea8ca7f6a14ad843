"""A snapshot of made-up recipes, as the dashboard would read it while their sweep runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from raycl.results.table import results_table
from raycl.watch.contract import WholeSnapshot
from raycl.watch.live_record import Curve, LiveNode, LogLine
from raycl.watch.node_curves import node_curves, node_log
from raycl.watch.node_lines import node_lines
from raycl.watch.snapshot import SweepFacts, snapshot, sweep_line
from tests.helpers.outcomes import history, replayed, union

AT = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
LABELS = ("replay 0%", "replay 5%", "replay 25%")


def node(name: str, parent: str | None, steps: tuple[int, int], *recipes: str) -> dict[str, Any]:
    """A node as `raycl.sweep.description.progress` gives it, finished."""
    first, last = steps
    return {
        "name": name,
        "short": name[-12:],
        "parent": parent,
        "stage": "german" if first else "english",
        "first_step": first,
        "steps": last - first,
        "recipes": recipes,
        "finished": True,
        "saved": 0,
        "training": False,
        "told": "",
    }


def live_node(name: str) -> LiveNode:
    """A node that trains its second half, at step 3 of 4."""
    return LiveNode(
        node=name,
        title="german 2–4 (replay 5%)",
        sweeps=("small",),
        holder="a",
        status="training",
        started=AT,
        updated=AT,
        first_step=2,
        last_step=4,
        step=3,
        seconds_left=2.0,
        numbers={"loss": 3.5, "tokens_per_second": 500.0, "learning_rate": 1e-3},
        curves={
            "loss": Curve(steps=(3,), values=(3.5,)),
            "validation/german": Curve(steps=(2, 3), values=(7.0, float("nan"))),
        },
        log=(LogLine(at=AT, kind="training", text="begins at step 2"),),
    )


def example_snapshot() -> WholeSnapshot:
    """Three recipes with a union: two are finished, one is trained now, one node has failed."""
    shared = node("000000002-0000000000000000", None, (0, 2), *LABELS)
    ends = [
        node(f"000000004-{place}111111111111111", shared["name"], (2, 4), label)
        for place, label in enumerate(LABELS)
    ]
    lone = node("000000004-9999999999999999", None, (0, 4), "union")
    ends[1] |= {"finished": False, "training": True}
    lone |= {"finished": False}
    live = {ends[1]["name"]: live_node(ends[1]["name"])}
    lines = node_lines([shared, *ends, lone], live, {lone["name"]: "CUDA out of memory"}, set())
    running = history([9.0, float("nan"), 4.0], [9.0, float("nan"), 7.0])
    outcomes = [
        replayed(LABELS[0], fields={"german.replay": "0%"}, state=ends[0]["name"]),
        replayed(LABELS[1], fields={"german.replay": "5%"}, history=running, status="unfinished"),
        replayed(LABELS[2], state=ends[2]["name"]),
        union(),
    ]
    facts = SweepFacts(
        name="small",
        table=results_table(outcomes),
        outcomes=outcomes,
        facts={"Model": {"model": "tiny", "parameters": "1,234"}, "Run it again": "$ raycl sweep"},
        recipe="name: small\n",
        updated=AT,
    )
    made = snapshot("/runs/small", AT, [sweep_line(facts, lines)])
    histories = {shared["name"]: [outcomes[0].history.iloc[:3]]}
    histories |= {end["name"]: [outcomes[0].history.iloc[3:]] for end in (ends[0], ends[2])}
    names = [line["name"] for line in lines]
    return {
        **made,
        "curves": {n: node_curves(histories.get(n, []), live.get(n)) for n in names},
        "logs": {n: node_log(live.get(n)) for n in names},
    }
