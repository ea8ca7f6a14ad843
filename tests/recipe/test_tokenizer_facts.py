"""A tokenizer that a recipe loads is looked into by planning, before anything is prepared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.errors import FieldError, InputError
from raycl.recipe.definition import corpus_facts, trainings
from raycl.recipe.tokenizer_facts import tokenizer_facts
from tests.helpers.recipe_data import defined
from tests.helpers.tokenizers import byte_level, gemma_like, write_tokenizer


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def vocabularies(**fields: Any) -> set[int]:
    """The vocabularies with which a recipe is planned."""
    return {facts.vocabulary for facts in corpus_facts(defined(**fields), None).values()}


@pytest.mark.parametrize("reference", ["./base", "base", "~/base", "base/tokenizer.json"])
def test_the_true_vocabulary_is_planned(here: Path, reference: str) -> None:
    write_tokenizer(here / "base", byte_level())
    assert vocabularies(tokenizer=reference) == {400}


def test_a_recipe_chooses_end_and_beginning(here: Path) -> None:
    write_tokenizer(here / "base", gemma_like())
    choice = {"load": "base", "end_of_document": "</s>", "begin_of_document": "none"}
    found = tokenizer_facts(defined(tokenizer=choice).recipe, "my.yaml")
    assert found is not None
    assert (found.policy.end, found.begin) == ("</s>", None)
    with pytest.raises(InputError, match=r"my\.yaml: tokenizer 'base': no token that ends"):
        vocabularies(tokenizer="base")


def test_a_tokenizer_larger_than_the_model(here: Path) -> None:
    write_tokenizer(here / "base", byte_level())
    model = {"preset": "gpt-neox-tiny", "config": {"vocab_size": 399}}
    definition = defined(tokenizer="base", model=model)
    with pytest.raises(InputError, match="400 tokens, more than the model"):
        trainings(definition, corpus_facts(definition, None))


def test_a_path_that_is_not_there() -> None:
    with pytest.raises(InputError, match=r"my\.yaml: tokenizer './none': there is no file"):
        vocabularies(tokenizer="./none")


def test_one_of_the_hub_that_is_not_here_is_not_asked_for() -> None:
    assert vocabularies(tokenizer="somebody/no-such-model") == {50304}


@pytest.mark.parametrize("field", ["end_of_document", "begin_of_document"])
def test_a_tokenizer_that_raycl_trains_has_its_own_end(field: str) -> None:
    with pytest.raises((InputError, FieldError), match="for a tokenizer that is loaded"):
        defined(tokenizer={"train": {"vocabulary": 300}, field: "<eos>"})
    with pytest.raises((InputError, FieldError), match="tokenizer"):
        defined(tokenizer={"load": "base", field: ""})
