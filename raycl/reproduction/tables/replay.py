"""Table 2: replay in the two shifts."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.picks import replay
from raycl.reproduction.evidence.shifts import STRONG, Shift, percent
from raycl.reproduction.tables import paper_numbers as paper
from raycl.reproduction.tables.table import (
    BASELINE_NAMES,
    Row,
    Table,
    measured,
    measured_baseline,
    paper_table,
)


def replay_table(evidence: Evidence, shift: Shift) -> Table:
    """Final losses by replay share, and the baselines of the shift."""
    rows = [
        Row(f"replay {percent(share)}", measured(evidence, shift.replay, replay(share)), line)
        for share, line in paper.REPLAY[shift.name].items()
    ] + [
        Row(name, measured_baseline(evidence, shift, kind), paper.BASELINES[shift.name][kind])
        for kind, name in BASELINE_NAMES.items()
    ]
    note = "Final validation loss by replay share. Paper: 405M parameters, Pile 300B, then "
    note += "German 200B." if shift is STRONG else "SlimPajama 300B."
    return paper_table(f"Table 2, {shift.name} shift: replay", note, rows)
