"""Fig. 3 in numbers: the length of the warm-up."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import WARMUPS
from raycl.reproduction.evidence.measures import average, loss_new, loss_old, lost_old
from raycl.reproduction.evidence.picks import warmup
from raycl.reproduction.evidence.shifts import Shift, percent
from raycl.reproduction.tables.table import Row, Table, measured, own_table


def warmup_table(evidence: Evidence, shift: Shift) -> Table:
    """Final losses by length of the warm-up."""
    rows = [
        Row(f"warm-up {percent(share)}", measured(evidence, shift.warmup, warmup(share)))
        for share in WARMUPS
    ]
    columns = {"D0": loss_old, "D1": loss_new, "AVG": average, "+forgetting": lost_old}
    note = "The paper shows curves and says that the four end alike."
    return own_table(f"Fig. 3, {shift.name} shift: length of the warm-up", note, columns, rows)
