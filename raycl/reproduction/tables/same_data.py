"""Fig. 8 in numbers: re-warming on the same data."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import RATES, SAME_DATA
from raycl.reproduction.evidence.measures import peak_rise
from raycl.reproduction.evidence.picks import cosine_of
from raycl.reproduction.evidence.shifts import WEAK
from raycl.reproduction.tables import paper_numbers as paper
from raycl.reproduction.tables.max_learning_rate import rate_name
from raycl.reproduction.tables.table import MISSING, Table, ours_text
from raycl.results.report.number_text import loss_text


def same_data_table(evidence: Evidence) -> Table:
    """The rise of the loss on D0 by max learning rate, on D0 again and on the weak shift's D1."""
    lines = []
    for name, place in RATES.items():
        line = [rate_name(evidence, SAME_DATA, name)]
        for number, experiment in enumerate((SAME_DATA, WEAK.max_lr)):
            printed = paper.SAME_DATA.get(name)
            ours = evidence.paired(experiment, peak_rise, cosine_of(place))
            line += [loss_text(printed[number], signed=True) if printed else MISSING]
            line += [ours_text(ours, signed=True)]
        lines.append(tuple(line))
    columns = tuple(f"{data} {whose}" for data in ("D0 again", "D1") for whose in ("paper", "ours"))
    note = "Highest loss on D0 in the second stage minus the loss at its hand-off."
    return Table("Fig. 8: re-warming on the same data", note, ("run", *columns), tuple(lines))
