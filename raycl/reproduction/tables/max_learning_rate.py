"""Table 12: the max learning rate of the last stage."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import RATES
from raycl.reproduction.evidence.picks import constant_min, cosine_of, warm_constant
from raycl.reproduction.evidence.shifts import Shift
from raycl.reproduction.tables import paper_numbers as paper
from raycl.reproduction.tables.table import Row, Table, measured, measured_baseline, paper_table
from raycl.results.report.groups import last_stage
from raycl.results.report.number_text import rate_text


def rate_name(evidence: Evidence, experiment: str, place: str, whose: str = "ours ") -> str:
    """`middle max LR (ours 3e-3)`. `place` is a name in RATES; the paper's rates are other ones."""
    found = evidence.picked(experiment, cosine_of(RATES[place]))
    rates = {rate_text(last_stage(outcome).max_lr) for outcome in found.values()}
    return f"{place} max LR" + (f" ({whose}{', '.join(sorted(rates))})" if rates else "")


def max_lr_table(evidence: Evidence, shift: Shift) -> Table:
    """Constant rates, three cosines by their peak, and the union."""
    lines = paper.MAX_LR[shift.name]
    corpora = evidence.corpora(shift.max_lr, shift.replay)
    held = measured(evidence, shift.max_lr, constant_min())
    warmed = measured(evidence, shift.max_lr, warm_constant())

    def rate_row(name: str, place: int) -> Row:
        cosine = measured(evidence, shift.max_lr, cosine_of(place))
        return Row(rate_name(evidence, shift.max_lr, name), cosine, lines[name])

    rows = [
        Row("constant at min LR", held, lines["constant"]),
        Row("warm-up, then constant", warmed),
        *(rate_row(name, place) for name, place in RATES.items()),
        Row(
            "union",
            measured_baseline(evidence, shift, "union", corpora),
            paper.BASELINES[shift.name]["union"],
        ),
    ]
    note = "No replay. Paper: constant at 3e-5; cosine to 1.5e-4, 3e-4, 6e-4; its losses of a "
    note += "warmed constant rate and its averages are not in our sources."
    return paper_table(f"Table 12, {shift.name} shift: max learning rate", note, rows)
