"""Chains of stored sweeps: made again from recipe and corpora, or none at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from raycl.recipe.definition import corpus_facts, definition_of, trainings
from raycl.recipe.stored_chains import stored_chains
from raycl.storage import Storage, layout
from tests.helpers.fakes import make_corpus
from tests.helpers.recipe_data import recipe_data


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path)
    for corpus in ("old", "new"):
        make_corpus(storage, corpus)
    text = yaml.safe_dump(recipe_data(execution={"keep_last": 3}))
    storage.write_bytes(layout.sweep_recipe("small"), text.encode())
    return storage


def test_the_chain_is_the_one_that_is_trained(storage: Storage) -> None:
    definition = definition_of(recipe_data(execution={"keep_last": 3}), "small.yaml")
    whole = trainings(definition, corpus_facts(definition, storage))
    found = stored_chains(storage)("small")
    assert found.keys() == whole.keys()
    for label, (chain, keep_last) in found.items():
        assert chain.name(chain.steps) == whole[label].chain.name(chain.steps)
        assert keep_last == 3


@pytest.mark.parametrize("recipe", [b"", b"[", b"name: small\nstages: 3", b"\xff"])
def test_a_recipe_that_cannot_be_read_gives_no_chains(storage: Storage, recipe: bytes) -> None:
    storage.write_bytes(layout.sweep_recipe("small"), recipe)
    assert stored_chains(storage)("small") == {}


def test_a_sweep_or_a_corpus_that_is_gone_gives_no_chains(storage: Storage) -> None:
    assert stored_chains(storage)("other") == {}
    storage.remove_folder("corpora/new")
    chains = stored_chains(storage)("small")
    assert all(chain.name(chain.steps) for chain, _ in chains.values())
