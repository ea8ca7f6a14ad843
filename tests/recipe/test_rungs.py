"""Where the recipes of a search wait."""

from __future__ import annotations

from typing import Any

from raycl.recipe.definition import with_proposals
from raycl.recipe.proposals import HAND, Proposal
from raycl.recipe.resolve import resolve
from raycl.recipe.rungs import recipe_rungs
from tests.helpers.recipe_data import WHERE, defined, facts


def test_a_stage_with_changes_has_the_rungs_of_the_whole_stage() -> None:
    stopping = {"kind": "asha", "stage": "new", "first": "50%", "factor": 2}
    search = {"trials": 4, "sampler": "random", "early_stopping": stopping}
    definition = defined(sweep={"new.replay": {"uniform": ["10%", "50%"]}}, search=search)
    changes = [{"from": "3 steps", "replay": "50%"}]
    fields: list[dict[str, Any]] = [
        {"new.replay": "10%"},
        {"new.replay": "10%", "new.changes": changes},
    ]
    added = [
        Proposal(number=number, fields=each, source=HAND, sweep="small")
        for number, each in enumerate(fields)
    ]
    definition = with_proposals(definition, added)
    chains = {
        variant.label: resolve(
            variant.recipe, facts(dict.fromkeys(variant.recipe.corpora, 10_000)), WHERE
        ).chain
        for variant in definition.variants
        if variant.proposals
    }
    assert sorted(len(chain.stages) for chain in chains.values()) == [2, 3]
    plain, changed = recipe_rungs(definition, chains).values()
    assert plain.steps
    assert changed == plain
