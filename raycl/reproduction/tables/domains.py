"""App. A.1 in numbers: one domain after another."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import DOMAIN_ARMS, DOMAINS
from raycl.reproduction.evidence.measures import average_all, lost_all
from raycl.reproduction.evidence.picks import in_arm, of_kind
from raycl.reproduction.evidence.shifts import percent
from raycl.reproduction.tables.table import Row, Table, measured, own_table


def domain_table(evidence: Evidence) -> Table:
    """Mean loss and forgetting by schedule and replay, and the same tokens mixed."""
    rows = [
        Row(f"{arm}, replay {percent(share)}", measured(evidence, DOMAINS, in_arm(arm, share)))
        for arm, share in DOMAIN_ARMS
    ]
    rows.append(Row("the same tokens mixed", measured(evidence, DOMAINS, of_kind("union"))))
    columns = {"mean loss": average_all, "+mean forgetting": lost_all}
    note = "Mean over all domains. The paper calls the results poor; its numbers we do not have."
    return own_table("App. A.1: one domain after another", note, columns, rows)
