"""A part of a corpus: rows, names of steps, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.recipe.definition import Definition, corpus_facts, definition_of, trainings
from raycl.recipe.sample import part_of, sampled_rows
from raycl.recipe.sweep_plan import joint_recipe
from raycl.storage import Storage
from raycl.units import parse_length
from tests.helpers import fakes
from tests.helpers.recipe_data import WHERE, changed


def _definition(sample: str | None = None, **stage: object) -> Definition:
    data = changed(0, at_end="repeat", **stage)
    if sample is not None:
        data["corpora"]["old"] = {"text": "old.jsonl", "sample": sample}
    return definition_of(data, WHERE)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = Storage(tmp_path_factory.mktemp("storage"))
    for name in ("old", "new"):
        fakes.make_corpus(storage, name, rows=400)
    return storage


def _chain(definition: Definition, storage: Storage) -> Chain:
    return next(iter(trainings(definition, corpus_facts(definition, storage)).values())).chain


@pytest.mark.parametrize(
    ("sample", "rows"), [("3%", 3), ("0.5%", 1), ("100%", 100), ("17 tokens", 2), ("16 tokens", 1)]
)
def test_rows_of_a_sample(sample: str, rows: int) -> None:
    assert sampled_rows(parse_length(sample), 100, 16, "x") == rows


def test_a_corpus_without_rows_has_none() -> None:
    assert sampled_rows(parse_length("50%"), 0, 16, "x") == 0


def test_more_tokens_than_there_are_is_refused() -> None:
    with pytest.raises(InputError, match=r"x 1617 tokens.*has 1600 training tokens"):
        sampled_rows(parse_length("1617 tokens"), 100, 16, "x")


@given(st.fractions(0, 1).filter(bool), st.integers(1, 10**9))
def test_a_sample_of_a_corpus_has_a_row_and_no_more_than_the_corpus(
    share: Fraction, rows: int
) -> None:
    sample = part_of(parse_length("100%"), share)
    assert 1 <= sampled_rows(sample, rows, 128, "x") <= rows


@pytest.mark.parametrize("sample", ["0%", "101%", "5 steps", "-1 tokens", "0 tokens", "much"])
def test_what_is_no_part_of_a_corpus_is_refused(sample: str) -> None:
    with pytest.raises(InputError, match=r"corpora.old"):
        _definition(sample)


def test_steps_within_a_sample_are_those_of_the_whole_corpus(storage: Storage) -> None:
    whole, part = _chain(_definition(), storage), _chain(_definition("25%"), storage)
    assert part.stages[0].mixture.sources[0].limit == 100
    # Eight rows a step: the thirteenth step reads the rows 96 to 99, and then begins again.
    assert whole.divergence(part) == 12
    assert [run.first for run in part.rows(5)] == [run.first for run in whole.rows(5)]


def test_a_whole_sample_changes_no_name(storage: Storage) -> None:
    whole, part = _chain(_definition(), storage), _chain(_definition("100%"), storage)
    assert whole.name(whole.steps) == part.name(part.steps)


def test_validation_is_that_of_the_whole_corpus(storage: Storage) -> None:
    facts = corpus_facts(_definition("25%"), storage)["old"]
    assert (facts.rows, facts.validation_rows) == (
        100,
        corpus_facts(_definition(), storage)["old"].validation_rows,
    )


def test_a_corpus_that_is_not_prepared_has_no_sample_yet(tmp_path: Path) -> None:
    facts = corpus_facts(_definition("25%"), Storage(tmp_path))
    assert facts["old"].rows == facts["new"].rows


def test_sweeps_over_other_samples_are_prepared_together() -> None:
    one, other = _definition("25%"), _definition("50%")
    assert joint_recipe((one, other)).corpora["old"].sample.value == Fraction(1)
    different = other.recipe.corpora["old"].model_copy(update={"seed": 3})
    recipe = other.recipe.model_copy(update={"corpora": {**other.recipe.corpora, "old": different}})
    with pytest.raises(InputError, match="defines it differently"):
        joint_recipe((one, replace(other, recipe=recipe)))
