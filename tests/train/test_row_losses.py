"""The losses of single rows at a node's end: they sum to the validation, on any workers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raycl.data.manifest import Manifest, Shard, Split, fingerprinted, load_manifest, write_manifest
from raycl.data.prepare.pack import cut_rows
from raycl.data.row_documents import DocumentBorders, first_documents
from raycl.data.shards import write_shard
from raycl.errors import InputError
from raycl.evaluation.losses import evaluate_state
from raycl.states.mark import read_mark
from raycl.states.reduced import keep_results
from raycl.states.row_losses import RowLosses, read_evaluated_rows, read_state_rows
from raycl.storage import Storage, layout
from tests.helpers.document_runs import END, make_document_storage
from tests.helpers.stored_tensors import history
from tests.helpers.training_runs import LENGTH, VOCABULARY, make_task, run
from tests.helpers.worker_processes import launch

FIELDS: dict[str, Any] = {"stop": 2, "validation_rows": 8, "micro_batch": 3}
WITHIN: dict[str, Any] = {"documents": "attend_within"}
ROWS = 9


def stream(seed: int) -> np.ndarray:
    """The tokens of documents of all lengths, which fill ROWS rows."""
    generator = np.random.default_rng(seed)
    tokens = generator.integers(2, VOCABULARY, ROWS * LENGTH + 1, dtype=np.uint16)
    tokens[generator.random(len(tokens)) < 1 / 7] = END
    tokens[0] = END
    return tokens


def write_shuffled(storage: Storage, corpus: str, number: int, tokens: np.ndarray) -> Shard:
    """A validation shard of the stream's rows, shuffled as a preparation shuffles them."""
    rows = cut_rows(tokens, LENGTH)
    seed = np.random.SeedSequence((0, 1 + number))
    places = np.random.Generator(np.random.PCG64(seed)).permutation(len(rows))
    return write_shard(storage, f"corpora/{corpus}", "validation", number, rows[places])


def hold_out(storage: Storage, corpus: str, *streams: np.ndarray) -> Manifest:
    """Give a corpus these streams as its validation split."""
    shards = tuple(write_shuffled(storage, corpus, n, tokens) for n, tokens in enumerate(streams))
    split = Split(shards, sum(shard.rows for shard in shards), 1, 1, 1)
    manifest = load_manifest(storage, f"corpora/{corpus}")
    manifest = fingerprinted(manifest, validation=split)
    write_manifest(storage, f"corpora/{corpus}", manifest)
    return manifest


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with states of one worker, whose corpus `new` was shuffled by raycl."""
    folder = tmp_path_factory.mktemp("trained")
    storage = make_document_storage(folder)
    hold_out(storage, "new", stream(5))
    for fields in ({}, WITHIN):
        run(storage, **FIELDS, **fields)
    return folder


@pytest.fixture
def storage(trained: Path, tmp_path: Path) -> Storage:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return Storage(tmp_path)


def kept(storage: Storage, **fields: Any) -> dict[str, RowLosses]:
    mark = read_mark(storage, make_task(**FIELDS, **fields).chain.name(2))
    return {corpus: losses for (corpus, _, _), losses in read_state_rows(storage, mark).items()}


@pytest.mark.parametrize("fields", [{}, WITHIN], ids=["across", "within"])
def test_rows_sum_to_the_validation_loss(storage: Storage, fields: dict[str, Any]) -> None:
    last = history(storage, 2, **fields)[-1]
    found = kept(storage, **fields)
    assert found.keys() == {"new", "older"}
    for corpus, losses in found.items():
        assert losses.loss == pytest.approx(last[f"validation/{corpus}"], abs=1e-6)
    assert sorted(set(found["older"].row)) == [0, 1, 2, 3, 4]
    assert (found["older"].document < 0).all()  # its rows cannot be put in order


def test_tokens_are_those_of_each_document(storage: Storage) -> None:
    """Eight of nine rows in a known order: a document is short by what lies in the ninth."""
    tokens = stream(5)
    place = np.random.Generator(np.random.PCG64(np.random.SeedSequence((0, 1)))).permutation(ROWS)
    number = np.cumsum(tokens[:-1] == END)
    left_out = range(place[8] * LENGTH, (place[8] + 1) * LENGTH)
    expected = np.bincount(np.delete(number, left_out))
    losses = kept(storage)["new"]
    sums = np.bincount(losses.document, weights=losses.tokens, minlength=len(expected))
    assert sums.tolist() == expected.tolist()
    assert len(set(losses.document)) > 10


def test_two_workers_keep_the_same_lines_while_one_still_saves(
    storage: Storage, tmp_path: Path
) -> None:
    other = Storage(tmp_path / "other")
    shutil.copytree(tmp_path / "corpora", tmp_path / "other" / "corpora")
    shutil.copytree(tmp_path / "tokenizers", tmp_path / "other" / "tokenizers")
    saves = {**FIELDS, "save_every": 1}
    assert launch(2, [(other, saves)], HOLD_SAVES_OF="1") == [0, 0]
    for corpus, losses in kept(storage).items():
        found = kept(other)[corpus]
        for name in ("row", "document", "tokens"):
            assert getattr(found, name).tolist() == getattr(losses, name).tolist()
        assert found.nats == pytest.approx(losses.nats, abs=2e-4)


def test_they_stay_when_the_weights_go(storage: Storage) -> None:
    mark = read_mark(storage, make_task(**FIELDS).chain.name(2))
    before = kept(storage)
    keep_results(storage, mark)
    assert kept(storage)["new"].nats.tolist() == before["new"].nats.tolist()
    path = layout.state_rows(mark.name)
    storage.write_bytes(path, storage.read_bytes(path)[:-1])
    with pytest.raises(InputError, match=r"validation_rows.parquet: it does not match"):
        kept(storage)


def test_what_is_measured_afterwards_is_kept_too(storage: Storage) -> None:
    name = make_task(**FIELDS).chain.name(2)
    fewer = evaluate_state(storage, name, ["new"], rows=3)
    more = evaluate_state(storage, name, ["new"], rows=9)
    found = {rows: losses for (_, _, rows), losses in read_evaluated_rows(storage, name).items()}
    assert found.keys() == {3, 9}
    assert found[3].loss == pytest.approx(fewer["new"], abs=1e-6)
    assert found[9].loss == pytest.approx(more["new"], abs=1e-6)
    assert found[9].tokens.sum() == 9 * LENGTH


def test_documents_are_numbered_over_all_shards(tmp_path: Path) -> None:
    storage = make_document_storage(tmp_path)
    streams = [stream(1), stream(2)]
    manifest = hold_out(storage, "new", *streams)
    first = first_documents(storage, manifest, "validation", 2 * ROWS, DocumentBorders(END))
    assert first is not None
    expected = []
    for number, tokens in enumerate(streams):
        borders = np.cumsum(tokens == END) - (tokens == END)
        begin = 0 if number == 0 else int((streams[0][:-1] == END).sum()) + 1
        seed = np.random.SeedSequence((0, 1 + number))
        places = np.random.Generator(np.random.PCG64(seed)).permutation(ROWS)
        expected += [begin + int(borders[place * LENGTH]) for place in places]
    assert first.tolist() == expected
    unordered = manifest.model_copy(update={"seed": 1})
    assert first_documents(storage, unordered, "validation", 4, DocumentBorders(END)) is None


def test_a_beginning_of_its_own_makes_an_end_alone_no_border() -> None:
    rows = np.array([[END, 5, END, 3, 7, END, 3]])
    assert DocumentBorders(END).in_rows(rows).tolist() == [[True, False, True, False, False, True]]
    borders = DocumentBorders(END, begin=3).in_rows(rows)
    assert borders.tolist() == [[False, False, True, False, False, True]]
