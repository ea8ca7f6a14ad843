"""The curves of a node: from the histories of its states, and from its live record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from raycl.results.outcome import ROWS, VALIDATION
from raycl.watch.contract import Curves, LogEntry, Series
from raycl.watch.live_record import LiveNode
from raycl.watch.plain import moment, rounded

MEASURES = ("loss", "learning_rate", "tokens_per_second")
MOST_POINTS = 1000
"""Points of a curve of one node: as many as a wide screen can show."""

MOST_POINTS_OF_A_FILE = 200_000
"""Points of all curves of a static file: about 4 MB."""


def node_curves(
    histories: Sequence[pd.DataFrame], live: LiveNode | None, most: int = MOST_POINTS
) -> Curves:
    """All curves of a node, of at most `most` points each.

    `histories` are the lines of the states within the node, the first one first. What the live
    record knows beyond them follows.
    """
    lines = pd.concat(histories, ignore_index=True) if histories else pd.DataFrame({"step": []})
    done = int(lines["step"].max()) + 1 if len(lines) else -1
    curves: Curves = {}
    for name in lines.columns:
        if name in MEASURES or name.startswith(VALIDATION):
            known = lines[["step", name]].dropna()
            if len(known):
                steps = [int(step) + 1 for step in known["step"].tolist()]
                curves[name] = (steps, [rounded(value) for value in known[name].tolist()])
        elif name.startswith(ROWS) and (rows := float(lines[name].sum())):
            curves[name] = ([done], [rows])
    for name, curve in live.curves.items() if live is not None else ():
        steps, values = curves.get(name, ([], []))
        later = [
            (step, rounded(value))
            for step, value in zip(curve.steps, curve.values, strict=True)
            if step > done
        ]
        curves[name] = (
            [*steps, *(step for step, _ in later)],
            [*values, *(value for _, value in later)],
        )
    return {name: thinned(series, most) for name, series in curves.items() if series[0]}


def with_names(curves: Curves, names: Mapping[str, str]) -> Curves:
    """The curves with other names of corpora: those of `names`, by the names that they have."""
    found: Curves = {}
    for measure, series in curves.items():
        kind, slash, corpus = measure.partition("/")
        found[f"{kind}{slash}{names.get(corpus, corpus)}"] = series
    return found


def thinned(series: Series, most: int) -> Series:
    """Evenly chosen points of a curve, its first and last one among them."""
    steps, values = series
    count = len(steps)
    if count <= most:
        return series
    if most < 2:
        return steps[-1:], values[-1:]
    places = [round(place * (count - 1) / (most - 1)) for place in range(most)]
    return [steps[place] for place in places], [values[place] for place in places]


def thinned_to(curves: Mapping[str, Curves], total: int) -> dict[str, Curves]:
    """The curves of all nodes, thinned alike so that together they have about `total` points."""
    lengths = [len(series[0]) for own in curves.values() for series in own.values()]
    most = _most(lengths, total)
    return {
        node: {name: thinned(series, most) for name, series in own.items()}
        for node, own in curves.items()
    }


def _most(lengths: Iterable[int], total: int) -> int:
    """The most points of one curve so that the sum over all keeps to `total`; at least 2."""
    left, room = sorted(lengths), total
    while left:
        share = room // len(left)
        if left[0] > share:
            return max(share, 2)
        room -= left.pop(0)
    return max(total, 2)


def node_log(live: LiveNode | None) -> list[LogEntry]:
    """The log of a node, the oldest line first."""
    if live is None:
        return []
    return [LogEntry(at=moment(line.at) or "", kind=line.kind, text=line.text) for line in live.log]
