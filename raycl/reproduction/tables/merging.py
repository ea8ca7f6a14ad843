"""Table 6: merged models against replay."""

from __future__ import annotations

from raycl.reproduction.claims.merging import best_merged
from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.measures import average
from raycl.reproduction.evidence.picks import replay
from raycl.reproduction.evidence.shifts import SHIFTS, percent
from raycl.reproduction.tables import paper_numbers as paper
from raycl.reproduction.tables.table import Table, ours_text


def merging_table(evidence: Evidence) -> Table:
    """The best merged model and the advised replay of each shift."""
    lines = []
    for shift in SHIFTS:
        corpora = evidence.corpora(shift.replay, shift.merge)
        pick, advised = best_merged(corpora), replay(shift.advised)
        found = evidence.paired(shift.merge, average, pick, corpora)
        replayed = evidence.paired(shift.replay, average, advised)
        own = evidence.paired(shift.merge, average, advised, corpora)
        accuracy = [f"{value:.2f} %" for value in paper.MERGING[shift.name]]
        lines += [
            (f"{shift.name}: best merged model", accuracy[0], ours_text(found)),
            (
                f"{shift.name}: replay {percent(shift.advised)}",
                accuracy[1],
                ours_text({**replayed, **own}),
            ),
        ]
    note = "The paper gives mean accuracies (more is better), ours are losses (less is better)."
    columns = ("run", "accuracy paper", "AVG loss ours")
    return Table("Table 6: merging instead of replay", note, columns, tuple(lines))
