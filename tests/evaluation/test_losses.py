"""Any state on any corpus: the numbers of its training to the bit, kept, and read again."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

from raycl.cli.main import main
from raycl.data.manifest import fingerprinted, load_manifest, write_manifest
from raycl.errors import InputError
from raycl.evaluation import losses as state_evaluation
from raycl.evaluation.losses import corpora_for, evaluate_state
from raycl.evaluation.store import read_losses
from raycl.results.named_state import named_state
from raycl.states.lookup import find_state, swept_states
from raycl.states.mark import Metadata, read_mark, write_mark
from raycl.storage import Storage
from raycl.train.checkpoint.load import load_history
from raycl.train.checkpoint.stored_state import read_state
from tests.helpers.trained_recipes import outcomes_table, trained_recipe
from tests.helpers.training_runs import make_corpus, make_storage, make_task, run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run(make_storage(folder), stop=2, validation_rows=4, micro_batch=3)
    return folder


@pytest.fixture
def storage(trained: Path, tmp_path: Path) -> Storage:
    """A copy of a storage with one state, after two steps."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return Storage(tmp_path)


NAME = make_task().chain.name(2)


def no_model(*_: object) -> None:
    raise AssertionError("a model was loaded")


def test_it_is_the_validation_of_the_training_to_the_bit(storage: Storage) -> None:
    last = load_history(storage, read_state(storage, NAME))[-1]
    losses = evaluate_state(storage, NAME, ["older", "new"])
    assert losses == {name: last[f"validation/{name}"] for name in ("older", "new")}


def test_a_loss_is_measured_once(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate_state(storage, NAME, ["new"])
    fewer = evaluate_state(storage, NAME, ["new"], rows=2)
    assert fewer != first
    monkeypatch.setattr(state_evaluation, "load_model", no_model)
    assert evaluate_state(storage, NAME, ["new"], rows=4) == first
    assert evaluate_state(storage, NAME, ["new"], rows=2) == fewer
    with pytest.raises(AssertionError):
        evaluate_state(storage, NAME, ["older"])


def test_more_rows_than_there_are_is_all_of_them(storage: Storage) -> None:
    evaluate_state(storage, NAME, ["new"], rows=99)
    assert [rows for _, _, rows in read_losses(storage, NAME)] == [5]


def test_a_corpus_whose_content_has_changed_is_measured_anew(storage: Storage) -> None:
    before = evaluate_state(storage, NAME, ["new"])
    storage.remove_folder("corpora/new")
    shutil.copytree(storage.full_path("corpora/older"), storage.full_path("corpora/new"))
    other = load_manifest(storage, "corpora/older").model_copy(update={"name": "new"})
    write_manifest(storage, "corpora/new", other)
    assert evaluate_state(storage, NAME, ["new"]) != before
    assert len(read_losses(storage, NAME)) == 2


def test_what_cannot_be_measured_is_named(storage: Storage) -> None:
    with pytest.raises(InputError, match=r"'newer'.*not prepared.*new, older"):
        evaluate_state(storage, NAME, ["newer"])
    other = fingerprinted(load_manifest(storage, "corpora/new"), tokenizer="other")
    write_manifest(storage, "corpora/new", other)
    assert corpora_for(storage, NAME) == ["older"]  # the mark knows the tokenizer of its training
    with pytest.raises(InputError, match="'new': its tokenizer"):
        evaluate_state(storage, NAME, ["new"])


def test_a_mark_of_an_earlier_version_leaves_the_tokenizer_to_its_corpora(storage: Storage) -> None:
    mark = read_mark(storage, NAME)
    earlier = Metadata(corpora=mark.metadata.corpora)
    write_mark(storage, NAME, mark.model_copy(update={"metadata": earlier}))
    other = fingerprinted(load_manifest(storage, "corpora/new"), tokenizer="other")
    write_manifest(storage, "corpora/new", other)
    assert corpora_for(storage, NAME) == ["new"]  # the first corpus of the state tells


def test_states_are_found_by_what_is_unique(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    for name in ("000000004-aa11", "000000004-ab22", "000000008-ac33"):
        storage.write_json(f"states/{name}/state.json", {})
    storage.write_bytes("states/000000009-ad44/history.parquet", b"not committed")
    assert find_state(storage, "000000004-aa11") == "000000004-aa11"
    assert find_state(storage, "000000008") == "000000008-ac33"
    assert find_state(storage, "ab22") == "000000004-ab22"
    with pytest.raises(InputError, match="2 states have names that begin with '"):
        find_state(storage, "000000004")
    for unknown in ("000000009", "ab2", ""):
        with pytest.raises(InputError, match="States here: 000000004-aa11"):
            find_state(storage, unknown)


def test_a_corpus_added_later_appears_in_the_results(tmp_path: Path) -> None:
    storage = make_storage(tmp_path)
    before = outcomes_table(trained_recipe(storage), storage)
    assert "loss/newest" not in before
    make_corpus(storage, "newest")
    corpora = {name: {"text": f"{name}.jsonl"} for name in ("older", "new", "newest")}
    definition = trained_recipe(storage, corpora=corpora)
    assert len(swept_states(storage, "small")) == 2
    end = named_state(storage, "small").state
    (loss,) = evaluate_state(storage, end, ["newest"]).values()
    after = outcomes_table(definition, storage)
    assert after["loss/newest"][0] == loss
    pd.testing.assert_frame_equal(
        after[["loss/older", "loss/new"]], before[["loss/older", "loss/new"]]
    )
    evaluate_state(storage, end, ["newest"], rows=1)  # other rows are another measure
    assert outcomes_table(definition, storage)["loss/newest"][0] == loss


def test_the_command(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", *arguments, "--storage", storage.url])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    code, out = command("000000002", "--corpus", "new")
    loss = evaluate_state(storage, NAME, ["new"])["new"]
    assert code == 0
    assert f"{loss:.4f}" in out
    assert f"{loss / math.log(2):.4f}" in out  # the test's corpus claims one byte a token
    assert "older" not in out
    assert "older" in command(NAME)[1]
    for arguments, message in (
        (["1"], "no such complete state"),
        ([], "no state is named"),
        (["000000002", "--corpus", "nw"], "Corpora here: new, older"),
        (["--label", "small"], "no such complete state"),
        (["--sweep", "none"], "Known sweeps: none"),
        (["--sweep", "none", "--label", "best"], "Known sweeps: none"),
    ):
        code, out = command(*arguments)
        assert (code, message in out) == (2, True), out
