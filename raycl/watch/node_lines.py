"""The nodes of a sweep as they are watched: what storage has of them, and their live records."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from raycl.watch.contract import NodeLine, NodeStatus, Summary
from raycl.watch.live_record import LiveNode
from raycl.watch.plain import finite, moment, total


def node_lines(
    stored: Iterable[Mapping[str, Any]],
    live: Mapping[str, LiveNode],
    failures: Mapping[str, str],
    held: Collection[str],
    silent: Mapping[str, datetime] | None = None,
) -> list[NodeLine]:
    """A line for each node.

    `stored` are the nodes as `raycl.sweep.description.progress` gives them; a finished one may have
    `loss`, `ended` (a time) and `workers` as well. `failures` are the reasons of those that were
    given up, and `held` those that are not to be trained now. `silent` are those in training of
    whose process nothing was heard since then.
    """
    heard = silent or {}
    return [
        _line(node, live.get(node["name"]), failures, held, heard.get(node["name"]))
        for node in stored
    ]


def _line(
    node: Mapping[str, Any],
    live: LiveNode | None,
    failures: Mapping[str, str],
    held: Collection[str],
    heard: datetime | None,
) -> NodeLine:
    name, first = node["name"], node["first_step"]
    status = _status(node, failures, held, heard is not None)
    last = first + node["steps"]
    runs = live if live is not None and status == "training" else None
    step = last if status == "finished" else first + node["saved"]
    if runs is not None:
        step = min(max(step, runs.step), last)
    numbers = live.numbers if live is not None else {}
    return NodeLine(
        name=name,
        short=node["short"],
        parent=node["parent"],
        stage=node["stage"],
        first_step=first,
        last_step=last,
        recipes=list(node["recipes"]),
        status=status,
        step=step,
        told=_silence(heard) if status == "silent" and heard else node["told"],
        failure=failures.get(name, "") if status == "failed" else "",
        tokens_per_second=finite(numbers.get("tokens_per_second")) if runs else None,
        seconds_left=finite(runs.seconds_left) if runs else None,
        loss=finite(numbers.get("loss", node.get("loss"))),
        updated=moment(live.updated if live is not None else node.get("ended")),
        workers=node.get("workers"),
    )


def _status(
    node: Mapping[str, Any], failures: Mapping[str, str], held: Collection[str], is_silent: bool
) -> NodeStatus:
    if node["finished"]:
        return "finished"
    if node["training"]:
        return "silent" if is_silent else "training"
    if node["name"] in held:
        return "held"
    if node["name"] in failures:
        return "failed"
    return "held" if node["told"].startswith("stopped") else "waiting"


def _silence(heard: datetime) -> str:
    return (
        f"nothing was heard of its process since {heard.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC; "
        "the next `raycl sweep` takes it over"
    )


def summary(nodes: Sequence[NodeLine]) -> Summary:
    """How far a sweep is. The time left is that of all steps at the pace of the present nodes."""
    count = {
        status: sum(node["status"] == status for node in nodes)
        for status in ("finished", "training", "silent", "waiting", "failed", "held")
    }
    steps = {node["name"]: node["last_step"] - node["first_step"] for node in nodes}
    done = sum(node["step"] - node["first_step"] for node in nodes)
    whole = sum(steps.values())
    alone = sum(steps[node["name"]] * len(node["recipes"]) for node in nodes)
    pace = total(_pace(node) for node in nodes)
    return Summary(
        nodes=len(nodes),
        finished=count["finished"],
        training=count["training"],
        silent=count["silent"],
        waiting=count["waiting"],
        failed=count["failed"],
        held=count["held"],
        steps_done=done,
        steps_total=whole,
        steps_shared=alone - whole,
        tokens_per_second=total(node["tokens_per_second"] for node in nodes),
        seconds_left=(whole - done) / pace if pace else None,
    )


def _pace(node: NodeLine) -> float | None:
    """Steps per second of a node that trains now."""
    left = node["seconds_left"]
    if node["status"] != "training" or not left:
        return None
    return (node["last_step"] - node["step"]) / left
