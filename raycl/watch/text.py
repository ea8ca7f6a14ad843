"""Progress in words: numbers, durations, and how far a node and the whole tree are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raycl.units import format_memory
from raycl.watch.progress import NodeProgress, WholeProgress

VALIDATION = "validation/"
"""How the names of validation losses begin; the corpus follows."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86400

_NUMBERS: Mapping[str, Callable[[float], str]] = {
    "loss": lambda value: f"loss {value:.4g}",
    "learning_rate": lambda value: f"learning rate {value:.3g}",
    "tokens_per_second": lambda value: f"{value:,.0f} tokens/s",
    "mfu": lambda value: f"MFU {value:.1%}",
    "peak_memory": lambda value: f"peak memory {format_memory(value)}",
    "data_wait_share": lambda value: f"waits for data {value:.1%}",
}


def numbers_text(numbers: Mapping[str, float]) -> str:
    """The numbers that people are told, always in one order: `loss 3.41, 12,345 tokens/s`."""
    told = [text(numbers[name]) for name, text in _NUMBERS.items() if name in numbers]
    told += [
        f"validation {name.removeprefix(VALIDATION)} {value:.4g}"
        for name, value in numbers.items()
        if name.startswith(VALIDATION)
    ]
    return ", ".join(told)


def duration_text(seconds: float) -> str:
    """A duration in its two largest units: `45 s`, `1 min 20 s`, `3 h 20 min`, `2 d 4 h`."""
    whole = max(0, round(seconds))
    for unit, name, below, small in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name} {rest} {small}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def step_text(node: NodeProgress) -> str:
    """`step 140/200, 40%, ETA 1 min 20 s`: steps of the recipe, and the part of the node's own."""
    parts = [f"step {node.step:,}/{node.last_step:,}", percent(node.share)]
    if node.step < node.last_step and node.seconds_left is not None:
        parts.append(f"ETA {duration_text(node.seconds_left)}")
    return ", ".join(parts)


def whole_text(whole: WholeProgress) -> str:
    """`sweep 62%, 3 of 9 nodes done, ETA 12 min, sharing saves 43%`."""
    parts = [f"sweep {percent(whole.share)}"]
    parts.append(f"{whole.by_status.get('finished', 0):,} of {whole.nodes:,} nodes done")
    if whole.seconds_left:
        parts.append(f"ETA {duration_text(whole.seconds_left)}")
    if whole.steps_shared:
        parts.append(f"sharing saves {percent(whole.shared)}")
    return ", ".join(parts)


def percent(share: float) -> str:
    """A part in whole percent, rounded down: what is not done is never 100%."""
    return f"{int(share * 100 + 1e-9)}%"
