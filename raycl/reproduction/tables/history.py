"""Four stages with replay split over all that was seen (the authors' published configs)."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import HISTORY
from raycl.reproduction.evidence.measures import average_all, lost_all
from raycl.reproduction.evidence.picks import replay
from raycl.reproduction.evidence.shifts import percent
from raycl.reproduction.tables.table import Row, Table, measured, own_table


def history_table(evidence: Evidence) -> Table:
    """Mean loss and forgetting with and without replay."""
    rows = [
        Row(f"replay {percent(share)}", measured(evidence, HISTORY, replay(share)))
        for share in (0.0, 0.05)
    ]
    columns = {"mean loss": average_all, "+mean forgetting": lost_all}
    note = "Replay split over all that was seen. The authors published the configs, no results."
    return own_table("Four stages: replay by history", note, columns, rows)
