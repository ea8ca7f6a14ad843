"""G1: continued from several points of D0's training (Gupta et al. 2023, arXiv 2308.04014)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from raycl.reproduction.evidence import Evidence, Measure, Pick, Values
from raycl.reproduction.measures import average, loss_new, loss_old, lost_old
from raycl.reproduction.table import Row, Table, own_table
from raycl.results.outcome import RecipeOutcome
from raycl.results.report.palette import swept

GUPTA = "g1-gupta"
_STOP = "stop_after"


def gupta_table(evidence: Evidence) -> Table:
    """One row a recipe, by how much of D0 it had seen."""
    seeds = evidence.seeds(GUPTA)
    recipes = swept(evidence.outcomes(GUPTA, seeds[0])) if seeds else []
    ordered = sorted(recipes, key=lambda outcome: outcome.stages[0].last_step)
    rows = [Row(_name(outcome), _measured(evidence, outcome.label)) for outcome in ordered]
    columns = {"D0": loss_old, "D1": loss_new, "AVG": average, "+forgetting": lost_old}
    note = "From a beginning, a fifth and the end of D0's training on. Its numbers we do not have."
    return own_table("Gupta et al.: where to go on from", note, columns, rows)


def _name(outcome: RecipeOutcome) -> str:
    """`9 steps of D0, warmup 1%`."""
    setting = [part for part in outcome.label.split(", ") if not part.startswith(_STOP)]
    return ", ".join([f"{outcome.stages[0].last_step:,} steps of D0", *setting])


def _measured(evidence: Evidence, label: str) -> Callable[[Measure], Values]:
    return lambda measure: evidence.paired(GUPTA, measure, _called(label))


def _called(label: str) -> Pick:
    def pick(outcomes: Sequence[RecipeOutcome]) -> RecipeOutcome | None:
        return next((outcome for outcome in outcomes if outcome.label == label), None)

    return pick
