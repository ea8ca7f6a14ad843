"""How far sweeps are, as `raycl status` prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from raycl.watch.text import duration_text, numbers_text, percent

_ORDER = ("training", "silent", "failed", "held", "waiting", "finished")


def head_line(name: str, nodes: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str:
    """How many nodes of a sweep are finished, how many steps are saved, and what happens now.

    Steps that a running training has not saved yet are no part of them.
    """
    text = (
        f"{name}: {summary['finished']} of {len(nodes)} nodes finished, "
        f"{summary['steps_saved']:,} of {summary['steps_total']:,} steps"
    )
    told = [f"{summary[kind]} {kind}" for kind in ("silent", "failed", "held") if summary[kind]]
    if summary["tokens_per_second"]:
        told.append(f"{summary['tokens_per_second']:,.0f} tokens/s")
    return "; ".join([text, ", ".join(told)]) if told else text


def node_lines(
    nodes: Sequence[Mapping[str, Any]], now: datetime, most: int | None = None
) -> list[str]:
    """A line for each node that is not finished, or for the `most` that matter most now."""
    left = [node for node in nodes if node["status"] != "finished"]
    if most is None or len(left) <= most:
        return [_line(node, now) for node in left]
    chosen = sorted(left, key=lambda node: _ORDER.index(node["status"]))[: max(1, most - 1)]
    return [*(_line(node, now) for node in chosen), f"  … and {len(left) - len(chosen):,} more"]


def _line(node: Mapping[str, Any], now: datetime) -> str:
    recipes = "; ".join(node["recipes"][:3])
    parts = [f"{_where(node)} of {recipes}"]
    if node["status"] == "silent":
        parts.append(_silence(node, now))
    if live := _live(node):
        parts.append(live)
    if node["told"]:
        parts.append(node["told"])
    return f"  {node['short']}  {'; '.join(parts)}"


def _where(node: Mapping[str, Any]) -> str:
    """How far a node is by its saved states."""
    steps, saved = f"{node['steps']:,} steps", f"{node['saved']:,}"
    where = f"{node['stage']} {node['first_step']}–{node['last_step']}"
    if node["status"] == "training" and not node["saved"]:
        return f"training, not yet saved: {where} ({steps})"
    told = f"{saved} of {steps} saved" if node["saved"] else steps
    kind = node["status"] if node["status"] in ("training", "silent") else "to train"
    return f"{kind}: {where} ({told})"


def _live(node: Mapping[str, Any]) -> str:
    """How far its training has come that runs, and what the last one had come to else."""
    if node["last_told_step"] is None:
        return ""
    step, first, last = node["last_told_step"], node["first_step"], node["last_step"]
    where = f"step {step:,}/{last:,}"
    if node["status"] != "training":
        if not node["heard"] or step <= first + node["saved"]:
            return ""
        return f"the last training was at {where} at {_clock(node['heard'])}"
    parts = [where, percent((step - first) / max(1, last - first))]
    if node["seconds_left"]:
        parts.append(f"ETA {duration_text(node['seconds_left'])}")
    numbers = {name: node[name] for name in ("loss", "tokens_per_second") if node[name] is not None}
    validation = {f"validation/{name}": loss for name, loss in node["validation"].items()}
    if told := numbers_text(numbers | validation):
        parts.append(told)
    text = f"{', '.join(parts)}; since {_clock(node['started'])}"
    whose = f" by process {node['process']} on {node['machine']}"
    return text + whose if node["machine"] else text


def _silence(node: Mapping[str, Any], now: datetime) -> str:
    heard = datetime.fromisoformat(node["heard"])
    span = duration_text((now - heard).total_seconds())
    whose = f" of its process on {node['machine']}" if node["machine"] else ""
    return (
        f"nothing was heard{whose} since {_clock(node['heard'])} ({span}): the next "
        "`raycl sweep` takes it over"
    )


def _clock(text: str) -> str:
    """A local time of day; with its date where that is not today."""
    local, today = datetime.fromisoformat(text).astimezone(), datetime.now().astimezone()
    return f"{local:%H:%M:%S}" if local.date() == today.date() else f"{local:%Y-%m-%d %H:%M:%S}"
