"""Prints what the memory of a worker is made of, as a table for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raycl.plan.cost import NodePlan, Plan
from raycl.plan.fit import Fit
from raycl.plan.layout import Layout
from raycl.units import format_memory

_WAYS: Mapping[str, Callable[[Fit], str]] = {
    "workers": lambda fit: layout_text(fit.layout),
    "micro-batch": lambda fit: f"{fit.computation.micro_batch} of {fit.computation.rows} rows",
    "activation checkpointing": lambda fit: fit.computation.checkpointing,
    "computed in": lambda fit: fit.computation.precision,
}
_PARTS: Mapping[str, str] = {
    "weights": "weights in float32",
    "gradients": "gradients in float32",
    "moments": "moments of AdamW",
    "gathered": "weights as they are gathered",
    "activations": "activations",
    "logits": "logits, with the head's gradient",
    "exchange": "gradients as they are reduced",
    "working": "backward pass of a block",
    "process": "the process itself: libraries, Ray",
    "kept": "freed, kept by the C library",
    "copy": "copy of a state while it is written",
}


def memory_text(node: NodePlan) -> str:
    """The peak of a worker, such as `6.2 GiB`; `≥` where training will take more rows at a time."""
    text = format_memory(node.memory_per_worker)
    return f"≥ {text}" if node.is_least and node.memory_per_worker else text


def print_memory(plan: Plan, console: Console) -> None:
    """Print what the memory of a worker is made of, a column for each way to compute a step."""
    stages: dict[Fit, list[str]] = {}
    for node in plan.nodes:
        if node.fit is not None:
            stages.setdefault(node.fit, []).append(_heading(node))
    if not stages:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("memory of a worker")
    for names in stages.values():
        table.add_column(escape(_few(names)), justify="right")
    for name, text in _WAYS.items():
        table.add_row(name, *(text(fit) for fit in stages))
    parts = [fit.memory.parts() for fit in stages]
    for part in parts[0]:  # GPUs need not hold what the host's memory does
        table.add_row(_PARTS[part], *(format_memory(found[part]) for found in parts))
    table.add_row("peak (not all at once)", *(format_memory(fit.memory.total) for fit in stages))
    if plan.room is not None:
        table.add_row("what a step may take", *([format_memory(plan.room)] * len(stages)))
    console.print(table)
    _print_what_is_open(plan.nodes, console)


def layout_text(layout: Layout) -> str:
    """How workers divide a model, such as `48: 6 copies × 8 shards`."""
    numbers = {"copies": layout.replicate, "shards": layout.shard, "tensor parts": layout.tensor}
    shown = [f"{number} {name}" for name, number in numbers.items() if number > 1]
    return f"{layout.workers}: {' × '.join(shown)}" if shown else "1"


def _heading(node: NodePlan) -> str:
    return node.stage if node.trains == "all" else f"{node.stage} trains {node.trains}"


def _few(stages: Sequence[str]) -> str:
    names = list(dict.fromkeys(stages))
    return ", ".join(names[:2]) + (f", {len(names) - 2} more" if len(names) > 2 else "")


def _print_what_is_open(nodes: Sequence[NodePlan], console: Console) -> None:
    """Say that training takes more rows at a time, and what each of them takes."""
    fits = [node.fit for node in nodes if node.is_least and node.fit is not None]
    if not fits:
        return
    most = max(fit.memory.activations + fit.memory.working for fit in fits)
    gpus = fits[0].computation.device == "cuda"
    console.print(
        "This is the memory of one row at a time. Training takes as many as fit into the "
        f"{'GPU' if gpus else 'machine'}, about {format_memory(most)} each, or computes "
        f"activations again.{' Name the GPU to see which: --gpu H100.' if gpus else ''}",
        highlight=False,
        soft_wrap=True,
    )
