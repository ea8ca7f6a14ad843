"""An event as one line of a log: when, which node, what, and how far all is."""

from __future__ import annotations

from datetime import datetime

from raycl.sweep.events import BY, SweepEvent
from raycl.watch.progress import NodeProgress, TreeProgress
from raycl.watch.text import duration_text, numbers_text, step_text, whole_text

_WITH_WHOLE = ("metrics", "started", "finished", "failed")


def stamp(at: datetime) -> str:
    """A time as it begins a line, in the zone of this machine."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def event_line(event: SweepEvent, tree: TreeProgress | None = None) -> str:
    """The line of an event; `tree` is how far the sweep is after it.

    It is one line whatever a reason holds: `2026-11-28 22:57:03  german 100–200 (replay 5%)  step
    140/200, 40%, ETA 1 min 20 s, loss 3.41; sweep 62%, 3 of 9 nodes done, ETA 12 min`.
    """
    return f"{stamp(event.at)}  {event_text(event, tree)}"


def event_text(event: SweepEvent, tree: TreeProgress | None = None) -> str:
    """The same without the time."""
    node = tree.nodes.get(event.node) if tree is not None else None
    parts = [_what(event, node)]
    if event.skipped:
        parts.append(f"{len(event.skipped)} nodes below it are not trained")
    if node is not None and tree is not None and event.kind in _WITH_WHOLE:
        parts.append(whole_text(tree.whole()))
    label = f"{event.label}{_which(event.node, tree)}"
    return " ".join(f"{label}  {'; '.join(parts)}".splitlines())


def _which(name: str, tree: TreeProgress | None) -> str:
    """The end of the node's name where another node has the same title."""
    if tree is None or name not in tree.titles_shared:
        return ""
    return f" [{name.rpartition('-')[2][:12]}]"


def _what(event: SweepEvent, node: NodeProgress | None) -> str:
    if event.kind == "metrics":
        where = step_text(node) if node is not None else f"step {event.metrics.get('step', 0):.0f}"
        return ", ".join(part for part in (where, numbers_text(event.metrics)) if part)
    text: str = event.kind
    if event.kind == "finished" and node is not None:
        text += f" at step {node.last_step:,}"
        if node.seconds is not None:
            text += f" after {duration_text(node.seconds)}"
    if told := numbers_text(event.metrics):
        text += f": {told}"
    if event.reason:
        text += f" {event.reason}" if event.reason.startswith(BY) else f": {event.reason}"
    return text
