"""What the outcome of each kind of recipe says of its start and its stages."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raycl.plan.training import ModelSpec
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.results.gather import gather
from raycl.results.outcome import RecipeOutcome
from raycl.results.stored_states import StoredStates
from raycl.storage import Storage
from tests.helpers.fakes import make_corpus
from tests.helpers.recipe_data import defined


@pytest.fixture
def outcomes(tmp_path: Path) -> dict[str, RecipeOutcome]:
    """By kind, the outcomes of recipes that begin with a pretrained model and have not begun."""
    storage = Storage(tmp_path)
    for name in ("old", "new"):
        make_corpus(storage, name)
    stages = [
        {"name": "old", "steps": 4, "schedule": {"kind": "constant", "max_lr": 1e-3}},
        {
            "name": "new",
            "mixture": {"new": "75%", "old": "25%"},
            "steps": 4,
            "replay": "25%",
            "schedule": {"kind": "constant", "max_lr": 1e-3},
            "anneal": {"length": "2 steps", "min_lr": 1e-4},
        },
    ]
    definition = defined(stages=stages, baselines=["union", "scratch", "previous"])
    (planned,) = plan_sweeps((definition,), storage).sweeps
    trainings = {
        label: replace(training, model=ModelSpec(pretrained="a checkpoint"))
        for label, training in planned.trainings.items()
    }
    found = gather(replace(planned, trainings=trainings), StoredStates(storage, []))
    return {outcome.kind: outcome for outcome in found}


def test_scratch_starts_from_random_weights(outcomes: dict[str, RecipeOutcome]) -> None:
    trained = {kind for kind, outcome in outcomes.items() if outcome.starts_trained}
    assert trained == {"sweep", "anneal", "union", "previous"}
    assert outcomes["scratch"].label == "new from scratch"


def test_stages_say_their_mixture_and_their_replay(outcomes: dict[str, RecipeOutcome]) -> None:
    last = outcomes["sweep"].stages[-1]
    assert last.mixture == {"new": 0.75, "old": 0.25}
    assert last.replayed == ("old",)
    assert outcomes["union"].stages[0].mixture == pytest.approx({"old": 0.6, "new": 0.4}, abs=0.03)


def test_outcomes_know_how_many_rows_corpora_have(outcomes: dict[str, RecipeOutcome]) -> None:
    for outcome in outcomes.values():
        assert outcome.corpus_rows == {"old": 400, "new": 400}


def test_branches_say_how_long_they_anneal(outcomes: dict[str, RecipeOutcome]) -> None:
    branch = outcomes["anneal"].branch
    assert branch is not None
    assert branch.steps == 2
    assert all(outcomes[kind].branch is None for kind in ("union", "scratch", "previous", "sweep"))
