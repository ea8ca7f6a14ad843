"""Gupta et al. 2023 (arXiv 2308.04014): going on from several points of D0's training."""

from __future__ import annotations

from raycl.reproduction.evidence import Evidence
from raycl.reproduction.evidence.experiment_names import GUPTA
from raycl.reproduction.evidence.measures import average, loss_new, loss_old, lost_old
from raycl.reproduction.evidence.picks import called
from raycl.reproduction.tables.table import Row, Table, measured, own_table
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.groups import swept

_STOP = "stop_after"


def starting_points_table(evidence: Evidence) -> Table:
    """One row for each recipe, by how much of D0 it had seen."""
    seeds = evidence.seeds(GUPTA)
    recipes = swept(evidence.outcomes(GUPTA, seeds[0])) if seeds else []
    ordered = sorted(recipes, key=lambda outcome: outcome.stages[0].last_step)
    rows = [
        Row(_name(outcome), measured(evidence, GUPTA, called(outcome.label))) for outcome in ordered
    ]
    columns = {"D0": loss_old, "D1": loss_new, "AVG": average, "+forgetting": lost_old}
    note = "From a beginning, a fifth and the end of D0's training on. Its numbers we do not have."
    return own_table("Gupta et al.: where to go on from", note, columns, rows)


def _name(outcome: RecipeOutcome) -> str:
    """`9 steps of D0, warmup 1%`: the label, with the steps of D0 in place of its `stop_after`."""
    setting = [part for part in outcome.label.split(", ") if not part.startswith(_STOP)]
    return ", ".join([f"{outcome.stages[0].last_step:,} steps of D0", *setting])
