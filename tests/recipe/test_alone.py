"""The recipes of one corpus each that a merge search trains, and what it plans."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan.frozen import thawed
from raycl.plan.merge_method import MergeMethod, merged_name
from raycl.recipe import parse_recipe
from raycl.recipe.alone import steps_alone
from raycl.recipe.checks import check_fields
from raycl.recipe.definition import Definition, definition_of, trainings
from raycl.recipe.merge_search import PlannedMergeSearch, planned_search
from raycl.recipe.written_recipe import written_recipe
from tests.helpers.recipe_data import SCHEDULE, defined, facts, recipe_data

MIX = {"new": "75%", "old": "25%"}
FACTS = facts({"old": 10_000, "new": 10_000, "early": 10_000})


def data(stage: Any = None, search: Any = None, **changes: Any) -> dict[str, Any]:
    """A stage `early`, then a stage of 21 steps on both other corpora."""
    names = ("early", "old", "new")
    both = {"name": "both", "mixture": MIX, "steps": 21, "schedule": SCHEDULE, "replay": "25%"}
    stages = [
        {"name": "early", "steps": 20, "schedule": SCHEDULE},
        {name: value for name, value in {**both, **(stage or {})}.items() if value is not None},
    ]
    corpora = {name: {"text": f"{name}.jsonl"} for name in names}
    more = {"stages": stages, "corpora": corpora, "merge_search": search or {}}
    return recipe_data(**{**more, **changes})


def planned(definition: Definition) -> PlannedMergeSearch:
    found = planned_search(definition.recipe, definition.variants, trainings(definition, FACTS))
    assert found is not None
    return found


def made(**changes: Any) -> Definition:
    return definition_of(data(**changes), "my.yaml")


@given(
    st.integers(20, 10**7),
    st.lists(st.integers(1, 50), min_size=2, max_size=8),
)
def test_steps_of_all_corpora_are_those_of_the_stage(total: int, parts: list[int]) -> None:
    shares = {str(place): Fraction(part, sum(parts)) for place, part in enumerate(parts)}
    try:
        steps = steps_alone(total, shares)
    except InputError:
        assert min(total * share for share in shares.values()) < 1
        return
    assert sum(steps.values()) == total
    assert all(abs(steps[corpus] - total * share) < 1 for corpus, share in shares.items())


def test_a_recipe_for_each_corpus_at_the_steps_of_the_stage() -> None:
    definition = made(sweep={"both.replay": ["0%", "25%"]}, baselines=["union"])
    labels = [(variant.label, variant.kind) for variant in definition.variants]
    assert labels[2:] == [("union", "union"), ("new alone", "alone"), ("old alone", "alone")]
    found = trainings(definition, FACTS)
    whole, new, old = (found[label].chain for label in ("replay 25%", "new alone", "old alone"))
    assert (new.steps - 20, old.steps - 20, whole.steps - 20) == (16, 5, 21)
    assert new.name(20) == old.name(20) == whole.name(20)  # they share the first stage
    for chain, corpus in ((new, "new"), (old, "old")):
        last = chain.stages[-1]
        fresh = [source.corpus for source in last.mixture.sources if not source.replay]
        assert fresh == [corpus]
        assert last.mixture.replay == Fraction(1, 4)
        assert last.schedule.peak == whole.stages[-1].schedule.peak


def test_the_merge_is_of_their_ends_from_where_the_stage_begins() -> None:
    definition = made()
    chains = trainings(definition, FACTS)
    search = planned(definition)
    base = chains["small"].chain.name(20)
    new, old = (chains[f"{name} alone"].chain for name in ("new", "old"))
    assert (search.partner, search.base) == ("early", base)
    assert search.models == (new.name(36), old.name(25))
    assert search.needs == (base, new.name(36), old.name(25))
    assert search.steps == 21
    weights = (Fraction(3, 10), Fraction(7, 10))
    expected = sorted(zip(search.models, weights, strict=True))
    method = MergeMethod("task-arithmetic", weights=tuple(w for _, w in expected))
    assert search.name(weights) == merged_name(method, base, [model for model, _ in expected])
    assert search.even == (Fraction(1, 2), Fraction(1, 2))


def test_it_changes_no_state_of_the_recipe() -> None:
    plain = definition_of({**data(), "merge_search": None}, "my.yaml")
    without = trainings(plain, FACTS)["small"].chain
    assert trainings(made(), FACTS)["small"].chain.name(41) == without.name(41)
    assert [variant.label for variant in plain.variants] == ["small"]


def test_what_names_a_corpus_that_is_left_out_goes() -> None:
    stage = {"max_epochs": {"new": 2, "old": 4}, "loss_weight": {"new": 3, "old": 2, "early": 5}}
    definition = made(stage=stage)
    alone = {v.label: v.recipe.stages[-1] for v in definition.variants if v.kind == "alone"}
    assert thawed(alone["old alone"].max_epochs) == {"old": 4}
    assert thawed(alone["old alone"].loss_weight) == {"old": 2, "early": 5}
    trainings(definition, FACTS)
    weighed = made(stage={"loss_weight": {"new": 3, "old": 2}, "replay": None})
    assert not any(v.recipe.stages[-1].loss_weight for v in weighed.variants if v.kind == "alone")
    trainings(weighed, FACTS)


def test_a_changing_mixture_counts_by_its_mean() -> None:
    change = {"from": {"new": "100%"}, "to": {"old": "100%"}, "how": "stepped", "at": "50%"}
    definition = made(stage={"mixture": change, "steps": 40})
    chains = trainings(definition, FACTS)
    assert [chains[f"{name} alone"].chain.steps - 20 for name in ("new", "old")] == [20, 20]


def test_its_own_file_leads_to_the_same_recipe() -> None:
    definition = made(baselines=["union"])
    variant = next(v for v in definition.variants if v.label == "old alone")
    again = definition_of(written_recipe(definition, variant, "cpu"), "again.yaml")
    found = next(v for v in again.variants if v.label == "old alone")
    expected = trainings(definition, FACTS)["old alone"].chain
    assert trainings(again, FACTS)[found.label].chain.name(25) == expected.name(25)
    plain = written_recipe(definition, definition.variants[0], "cpu")
    assert "merge_search" not in plain


def test_it_is_read_again_as_it_was_written() -> None:
    search = {"weights": {"uniform": ["-20%", 1.5]}, "objective": "old", "sampler": "random"}
    written = parse_recipe(data(search=search), "my.yaml")
    assert parse_recipe(written.model_dump(), "my.yaml") == written


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stage": {"mixture": {"new": "100%"}}}, "the stage 'both' has one corpus, so there is"),
        ({"stage": {"steps": 1}}, "has none of the 1 steps of the stage. Give the stage more"),
        ({"stage": {"stop_after": "50%"}}, "divides a stage that ends by itself. Leave out one"),
        ({"search": {"objective": "nwe"}}, "merge_search.objective 'nwe': no corpus of the recipe"),
        ({"search": {"base": "both"}}, "neither `start` nor an earlier stage. Give early, start"),
        ({"search": {"base": "start"}}, "begins from random weights, which know nothing"),
        ({"search": {"trials": 0}}, "merge_search.trials"),
        ({"search": {"weights": {"uniform": [1, 0]}}}, "1 is not below 0. Give the lower one"),
        ({"search": {"weights": {"uniform": [0, 11]}}}, "reaches beyond 10. Give a range"),
        ({"search": {"sampler": "grid"}}, "merge_search.sampler is 'grid'"),
    ],
    ids=str,
)
def test_what_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        planned(made(**changes))
    assert message in str(caught.value)


def test_it_cannot_be_swept() -> None:
    recipe = defined(sweep={"merge_search.trials": [1, 2]}).recipe
    with pytest.raises(InputError, match="made of the recipe as it is written"):
        check_fields(recipe, "my.yaml")
