"""Every table of the document, in the order of the paper."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.shifts import SHIFTS
from raycl.reproduction.tables.domains import domain_table
from raycl.reproduction.tables.history import history_table
from raycl.reproduction.tables.infinite_schedules import single_table, stages_table
from raycl.reproduction.tables.max_learning_rate import max_lr_table
from raycl.reproduction.tables.merging import merging_table
from raycl.reproduction.tables.replay import replay_table
from raycl.reproduction.tables.same_data import same_data_table
from raycl.reproduction.tables.scale import scale_table
from raycl.reproduction.tables.starting_points import starting_points_table
from raycl.reproduction.tables.table import Table
from raycl.reproduction.tables.warm_up import warmup_table


def all_tables(evidence: Evidence) -> list[Table]:
    """Every table; `–` where something was not run."""
    return [
        *(replay_table(evidence, shift) for shift in SHIFTS),
        *(warmup_table(evidence, shift) for shift in SHIFTS),
        *(max_lr_table(evidence, shift) for shift in SHIFTS),
        scale_table(evidence),
        same_data_table(evidence),
        single_table(evidence),
        stages_table(evidence),
        domain_table(evidence),
        history_table(evidence),
        merging_table(evidence),
        starting_points_table(evidence),
    ]
