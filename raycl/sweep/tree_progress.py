"""The progress of a tree as its sweep's events and reports tell it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from raycl.plan.tree import Node, Tree
from raycl.sweep.events import Kind, SweepEvent, node_label
from raycl.watch.progress import NodeProgress, NodeStatus, TreeProgress

_BECOMES: Mapping[Kind, NodeStatus] = {
    "started": "starting",
    "finished": "finished",
    "retried": "waiting",
    "failed": "failed",
    "waiting": "waiting",
    "left": "held",
    "resumed": "waiting",
}
_HOLDS = ("paused", "stopped")


def tree_progress(tree: Tree, finished: Collection[str]) -> TreeProgress:
    """The progress of a tree of which some nodes are in storage already."""
    there = set(finished)
    progress = TreeProgress(waiting_nodes(tree.nodes), tree.steps_alone)
    for node in tree.nodes:
        if node.name in there:
            progress.set(node.name, "finished")
    return progress


def waiting_nodes(nodes: Iterable[Node]) -> list[NodeProgress]:
    """Nodes that wait."""
    return [
        NodeProgress(
            node.name, node_label(node), node.parent, node.training.start, node.training.stop
        )
        for node in nodes
    ]


def note_event(progress: TreeProgress, event: SweepEvent) -> None:
    """Note in the progress what an event tells of its node, and of those below it."""
    node = progress.nodes.get(event.node)
    if node is None:
        return
    if event.kind in _HOLDS:
        if node.status == "waiting":
            progress.set(node.name, "held", event.reason)
    elif event.kind in ("waiting", "resumed") and node.status in ("starting", "training"):
        node.reason = event.reason
    elif event.kind in _BECOMES:
        progress.set(node.name, _BECOMES[event.kind], event.reason)
    for name in event.skipped:
        progress.set(name, "skipped", f"{node.title} failed")
    if event.kind == "retried":
        for below in progress.nodes.values():  # what was skipped below it waits again
            parent = progress.nodes.get(below.parent or "")
            if below.status == "skipped" and parent is not None and parent.status == "waiting":
                progress.set(below.name, "waiting")
