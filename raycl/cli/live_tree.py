"""A tree that is trained, as a terminal shows it: a line a node, and one for the whole sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from raycl.watch.progress import NodeProgress, NodeStatus, TreeProgress, WholeProgress
from raycl.watch.text import duration_text, percent, whole_text

_STYLES: Mapping[NodeStatus, str] = {
    "training": "bold cyan",
    "starting": "cyan",
    "failed": "bold red",
    "held": "yellow",
    "waiting": "dim",
    "skipped": "dim red",
    "finished": "green",
}
"""From what is shown first, where not all nodes have room, to what is shown last."""
_OTHER_LINES = 5
"""Lines of the terminal that are not nodes: the whole sweep, the rest, and room to breathe."""
_WIDE, _MEDIUM = 100, 70
"""Columns of a terminal from which on there are long bars and throughput; bars and losses."""


def live_tree(tree: TreeProgress, width: int, height: int) -> RenderableType:
    """What fits into so many columns and lines; it never has more lines than that."""
    whole = tree.whole()
    room = max(1, height - _OTHER_LINES)
    nodes = list(tree.nodes.values())
    chosen = nodes if len(nodes) <= room else _first(nodes, room)
    depth = _depths(nodes) if len(nodes) <= room else {}
    ordered = _depth_first(chosen) if len(nodes) <= room else chosen
    parts: list[RenderableType] = [_table(ordered, depth, width)]
    if len(chosen) < len(nodes):
        parts.append(
            Text(_rest_text(nodes, chosen), style="dim", no_wrap=True, overflow="ellipsis")
        )
    return Group(*parts, _whole_line(whole, width))


def _table(nodes: Iterable[NodeProgress], depth: Mapping[str, int], width: int) -> Table:
    rows = [_row(node, depth.get(node.name, 0), width) for node in nodes]
    others = 75 if width >= _WIDE else 49 if width >= _MEDIUM else 26
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(12, width - others))
    for place in range(1, len(rows[0]) if rows else 1):
        table.add_column(no_wrap=True, justify="left" if place == 1 else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _row(node: NodeProgress, depth: int, width: int) -> list[RenderableType]:
    is_live = node.status in ("training", "starting")
    left = node.seconds_left if is_live else None
    row: list[RenderableType] = [
        Text("  " * depth + node.title),
        Text(node.status, style=_STYLES[node.status]),
    ]
    if width >= _MEDIUM:
        row.append(_bar(node.steps_done, node.steps, width))
    row.append(Text(percent(node.share) if is_live or node.steps_done else ""))
    row.append(Text(duration_text(left) if left is not None else ""))
    speed, loss = node.numbers.get("tokens_per_second"), node.numbers.get("loss")
    if width >= _WIDE:
        row.append(Text(f"{speed:,.0f} tokens/s" if speed and is_live else ""))
    if width >= _MEDIUM:
        row.append(Text(f"loss {loss:.4g}" if loss is not None else ""))
    return row


def _bar(done: int, steps: int, width: int) -> ProgressBar:
    return ProgressBar(max(steps, 1), done, 20 if width >= _WIDE else 10)


def _whole_line(whole: WholeProgress, width: int) -> Table:
    line = Table.grid(padding=(0, 1))
    line.add_column(no_wrap=True)
    line.add_column(no_wrap=True, overflow="ellipsis")
    text = whole_text(whole)
    failed, now = whole.by_status.get("failed", 0), whole.by_status.get("training", 0)
    text += f", {now} training" if now else ""
    text += f", {failed} failed" if failed else ""
    text += f", {whole.tokens_per_second:,.0f} tokens/s" if whole.tokens_per_second else ""
    line.add_row(_bar(whole.steps_done, whole.steps_total, width), Text(text, style="bold"))
    return line


def _first(nodes: Sequence[NodeProgress], room: int) -> list[NodeProgress]:
    """As many as have room: what runs, then what failed, and so on; in the order of the tree."""
    order = list(_STYLES)
    return sorted(nodes, key=lambda node: order.index(node.status))[:room]


def _rest_text(nodes: Sequence[NodeProgress], chosen: Sequence[NodeProgress]) -> str:
    counts = Counter(node.status for node in nodes)
    counts.subtract(node.status for node in chosen)
    told = ", ".join(f"{counts[status]:,} {status}" for status in _STYLES if counts[status] > 0)
    return f"… and {len(nodes) - len(chosen):,} more: {told}"


def _depths(nodes: Iterable[NodeProgress]) -> dict[str, int]:
    depth: dict[str, int] = {}
    for node in nodes:  # parents come first
        depth[node.name] = depth.get(node.parent or "", -1) + 1
    return depth


def _depth_first(nodes: Sequence[NodeProgress]) -> list[NodeProgress]:
    """Each node right below its parent, siblings in the order of the tree."""
    known = {node.name for node in nodes}
    below: dict[str | None, list[NodeProgress]] = {}
    for node in nodes:
        below.setdefault(node.parent if node.parent in known else None, []).append(node)
    found: list[NodeProgress] = []
    pending = list(reversed(below.get(None, [])))
    while pending:
        node = pending.pop()
        found.append(node)
        pending += reversed(below.get(node.name, []))
    return found
