"""Table 4: a larger model."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import SCALE
from raycl.reproduction.evidence.picks import of_kind, replay
from raycl.reproduction.tables import paper_numbers as paper
from raycl.reproduction.tables.table import BASELINE_NAMES, Row, Table, measured, paper_table


def scale_table(evidence: Evidence) -> Table:
    """The baselines and two replay shares with the wider model."""

    def baseline_row(kind: str) -> Row:
        measure = measured(evidence, SCALE, of_kind(kind))
        return Row(BASELINE_NAMES[kind], measure, paper.SCALE[kind])

    rows = [
        baseline_row("previous"),
        baseline_row("scratch"),
        Row("replay 0 %", measured(evidence, SCALE, replay(0.0)), paper.SCALE["replay 0"]),
        Row("replay 5 %", measured(evidence, SCALE, replay(0.05)), paper.SCALE["replay 5"]),
        baseline_row("union"),
    ]
    note = "The weak shift again. Paper: 10B parameters. Ours: the wider of our two models."
    return paper_table("Table 4: a larger model", note, rows)
