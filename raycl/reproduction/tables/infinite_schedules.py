"""Fig. 9 and 10 in numbers: infinite schedules in one stage and in three."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import (
    CONSTANT,
    COSINE,
    INFINITE,
    SINGLE,
    STAGES,
)
from raycl.reproduction.evidence.measures import average_all, hand_off_bump
from raycl.reproduction.evidence.picks import annealed, in_arm
from raycl.reproduction.tables.table import Row, Table, measured, own_table


def single_table(evidence: Evidence) -> Table:
    """The final loss of one stage under each schedule."""
    rows = [
        Row(arm, measured(evidence, SINGLE, in_arm(arm))) for arm in (COSINE, *INFINITE, CONSTANT)
    ]
    own = measured(evidence, SINGLE, annealed(CONSTANT))
    if own(average_all):
        rows.append(Row("constant, annealed", own))
    note = "The paper shows curves: infinite schedules end like the cosine."
    return own_table("Fig. 9: one run, four schedules", note, {"loss": average_all}, rows)


def stages_table(evidence: Evidence) -> Table:
    """The final loss after three stages, and the bump at their hand-offs."""
    rows = [Row("repeated cosine", measured(evidence, STAGES, in_arm(COSINE)))]
    for arm in INFINITE:
        rows.append(Row(f"{arm}, annealed", measured(evidence, STAGES, annealed(arm))))
        rows.append(Row(f"{arm}, trunk", measured(evidence, STAGES, in_arm(arm))))
    columns = {"loss": average_all, "+bump after a hand-off": hand_off_bump}
    note = "Loss after the third stage. Bump: rise of the loss on D0 in a stage's first quarter."
    return own_table("Fig. 10: three stages without a shift", note, columns, rows)
