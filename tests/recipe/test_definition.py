"""From a recipe file and a storage to trainings: corpora, bindings, overrides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.made_up_sweeps import write_state
from raycl.data.manifest import fingerprinted, load_manifest, write_manifest
from raycl.errors import InputError
from raycl.recipe.definition import (
    bind_corpora,
    corpus_facts,
    define,
    is_prepared,
    make_tree,
    trainings,
)
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.states.tree_record import read_tree_record
from raycl.storage import Storage
from raycl.sweep.description import stored_definition
from raycl.sweep.pipeline import sweep
from raycl.sweep.prepare_corpora import tokenizer_reference
from tests.helpers.fakes import make_corpus
from tests.helpers.recipe_data import defined, recipe_data, write_recipe


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    place = Storage(tmp_path / "runs")
    make_corpus(place, "old")
    make_corpus(place, "new")
    return place


def test_overrides_replace_fields_in_order(tmp_path: Path) -> None:
    path = write_recipe(tmp_path, recipe_data())
    definition = define(path, ["new.replay=5%", "seed=2", "seed = 3", "execution.save_every=1k"])
    assert definition.recipe.stages[1].replay == pytest.approx(0.05)
    assert definition.recipe.seed == 3
    assert definition.recipe.execution.save_every == 1000


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "no '='"),
        ("sed=1", "Did you mean 'seed'"),
        ("nw.replay=1%", "Did you mean 'new'"),
        ("new=1%", "a stage, and none of its fields"),
        ("new.replay=5 percent", "stages.1.replay is '5 percent'"),
        ("new.replay=", "not a number"),
        ("seed=[1", "not readable as YAML"),
        ("stages=3", "stages"),
    ],
)
def test_bad_overrides(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        define(write_recipe(tmp_path, recipe_data()), [override])
    assert message in str(caught.value)
    assert caught.value.remedy


def test_overrides_where_stages_are_no_list(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stages"):
        define(write_recipe(tmp_path, recipe_data(stages=None)), ["seed=2"])


def test_facts_come_from_the_manifests(storage: Storage) -> None:
    facts = corpus_facts(defined(), storage)
    assert is_prepared(facts)
    assert (facts["old"].rows, facts["old"].validation_rows, facts["old"].row_length) == (
        400,
        4,
        17,
    )


def test_corpora_that_are_not_prepared_can_be_planned(tmp_path: Path) -> None:
    for place in (None, Storage(tmp_path / "empty")):
        facts = corpus_facts(defined(), place)
        assert not is_prepared(facts)
        assert len(make_tree(defined(), facts).nodes) == 2


def test_preparing_changes_names_only_by_what_the_corpora_hold(storage: Storage) -> None:
    names = [training.chain.name(40) for training in _trainings(storage).values()]
    assert names == [training.chain.name(40) for training in _trainings(storage).values()]


def _trainings(storage: Storage):  # type: ignore[no-untyped-def]
    return trainings(defined(), corpus_facts(defined(), storage))


def test_a_changed_corpus_is_refused_once_nodes_were_trained_on_it(storage: Storage) -> None:
    bind_corpora(storage, corpus_facts(defined(), storage))
    corpus_facts(defined(), storage)
    make_corpus(storage, "new", rows=300)
    with pytest.raises(InputError) as caught:
        corpus_facts(defined(), storage)
    assert "corpus 'new'" in str(caught.value)
    assert "has changed since nodes were trained on it" in str(caught.value)
    assert "another corpus name" in caught.value.remedy


def test_too_few_validation_rows(storage: Storage) -> None:
    definition = defined(validation={"rows": 5})
    with pytest.raises(InputError, match=r"validation\.rows 5: corpus 'old' has 4 .* Give 4"):
        make_tree(definition, corpus_facts(definition, storage))


def test_too_few_validation_rows_in_a_swept_recipe(storage: Storage) -> None:
    definition = defined(sweep={"validation.rows": [4, 9]})
    with pytest.raises(InputError, match=r"validation\.rows 9"):
        make_tree(definition, corpus_facts(definition, storage))


@pytest.mark.parametrize("damage", ["truncated", "field", "sum", "fingerprint"])
def test_damaged_manifests(storage: Storage, damage: str) -> None:
    path = "corpora/new/manifest.json"
    content = storage.read_json(path)
    del content["crc32"]  # the checksum would find each of them first
    if damage == "field":
        content["train"]["rows"] = "many"
    elif damage == "sum":
        content["train"]["rows"] += 1
    else:
        content["fingerprint"] = "0"
    data = json.dumps(content).encode()
    storage.write_bytes(path, data[: len(data) // 2] if damage == "truncated" else data)
    with pytest.raises(InputError) as caught:
        corpus_facts(defined(), storage)
    assert caught.value.where.endswith("corpora/new/manifest.json")
    assert "prepare it again" in caught.value.remedy


def test_bad_input_stops_a_sweep_before_ray(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        pytest.fail("a cluster was started")

    monkeypatch.setattr("raycl.cluster.connect.cluster", never)
    with pytest.raises(InputError, match=r"validation\.rows"):
        sweep(defined(validation={"rows": 99}), storage)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="a file, not a folder"):
        sweep(defined(), Storage(tmp_path / "file" / "below"))


def test_a_sweep_with_nothing_to_train_is_described_all_the_same(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`raycl status` and `raycl report` find it, though another sweep has trained its nodes."""
    monkeypatch.setattr("raycl.cluster.connect.cluster", lambda *_: pytest.fail("a cluster"))
    for node in plan_sweeps((defined(),), storage).tree.nodes:
        write_state(node.training, storage)
    sweep(defined(), storage, report=lambda _: None)
    assert len(read_tree_record(storage, "small").nodes) == 2
    assert stored_definition(storage, "small").data == defined().data


def test_corpora_of_one_model_share_a_tokenizer(storage: Storage) -> None:
    other = fingerprinted(load_manifest(storage, "corpora/new"), tokenizer="another")
    write_manifest(storage, "corpora/new", other)
    with pytest.raises(InputError, match="'old' and 'new': prepared with different tokenizers"):
        corpus_facts(defined(), storage)


def test_a_corpus_that_is_there_decides_the_tokenizer(storage: Storage) -> None:
    recipe = defined(tokenizer={"train": {"vocabulary": 1000}}).recipe
    fingerprint = storage.read_json("corpora/old/manifest.json")["tokenizer"]
    path = tokenizer_reference(recipe, {}, storage, print)
    assert path == f"tokenizers/{fingerprint}/tokenizer.json"
