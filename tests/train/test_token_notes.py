"""Tokens that a corpus uses and that the checkpoint was not trained on are named at the start."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from raycl.cli.main import main
from raycl.data.manifest import load_manifest
from raycl.data.prepare import ray_tasks
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import read_tokenizer
from raycl.errors import InputError
from raycl.recipe.definition import define
from raycl.storage import Storage
from raycl.sweep.pipeline import sweep
from raycl.sweep.prepare_corpora import prepare_all, ready_text
from tests.helpers.held_out_text import run_here
from tests.helpers.pipeline import Cluster
from tests.helpers.workspace import add_base, make_workspace

EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """The storage of a workspace whose corpora are prepared and whose model is `base`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_workspace(tmp_path)
    add_base(tmp_path)
    monkeypatch.chdir(tmp_path)
    place, recipe = Storage(tmp_path / "storage"), define(Path("recipe.yaml")).recipe
    with patch.object(ray_tasks, "run_tasks", run_here):
        sources = ready_text(recipe, place, "recipe.yaml", lambda _: None)
        prepare_all(recipe, sources, place, lambda _: None)
    return place


def used(storage: Storage, corpus: str = "old") -> list[int]:
    """Tokens of a corpus, the most frequent first, and one that it has not at the end."""
    manifest = load_manifest(storage, f"corpora/{corpus}")
    rows = CorpusReader(storage, f"corpora/{corpus}", manifest)
    counts = np.bincount(rows.read(0, rows.rows)[:, 1:].ravel(), minlength=manifest.vocabulary)
    return [int(token) for token in np.argsort(-counts, kind="stable")]


def change(name: str, rows: list[int], value: float) -> None:
    """Set rows of a tensor of the base; a value of NaN in one place alone."""
    path = Path("base/model.safetensors")
    tensors = load_file(path)
    if np.isnan(value):
        tensors[name][rows, 3] = value
    else:
        tensors[name][rows] = value
    save_file(tensors, path, {"format": "pt"})


def plan(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "recipe.yaml", "--storage", "storage"])
    out = capsys.readouterr()
    return f"{ended.value.code}: {out.err}".replace("\n", " ")


def test_a_trained_model_is_planned_without_a_word(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = plan(capsys)  # of few held-out documents alone
    assert notes.startswith("0: corpus old: 18 documents are held out")
    assert "model.pretrained" not in notes
    unused = [token for token in used(storage)[-3:] if token not in used(storage, "new")[:-40]]
    change(EMBEDDING, unused, 0.0)
    assert plan(capsys) == notes


def test_tokens_without_training_are_named_with_their_share(
    storage: Storage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third, *_ = used(storage)
    change(EMBEDDING, [first, used(storage)[-1]], 0.0)
    change(HEAD, [second, third], 0.5)
    manifest = load_manifest(storage, "corpora/old")
    decode = read_tokenizer(storage, manifest.tokenizer).decode
    said = plan(capsys)
    assert said.startswith("0: model.pretrained './base': tokens of corpus 'old' have rows of zero")
    assert f"in {EMBEDDING}, so the model was not trained on them: {decode([first])!r} (id " in said
    assert f"tokens of corpus 'old' have the very rows of other tokens in {HEAD}" in said
    for token in (first, second, third):
        assert f"{decode([token])!r} (id {token}, " in said
    assert "% of its tokens" in said

    cluster, told = Cluster(monkeypatch), list[str]()
    shutil.rmtree("storage/starts", ignore_errors=True)
    sweep(define(Path("recipe.yaml")), storage, None, told.append)
    assert cluster.trees
    assert sum("rows of zeros" in sentence for sentence in told) == 2  # a corpus each
    assert told.index("Starting Ray …") > max(n for n, t in enumerate(told) if "zeros" in t)


def test_a_row_that_is_no_number_is_refused(
    storage: Storage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(EMBEDDING, used(storage)[:1], np.nan)
    said = plan(capsys)
    assert said.startswith("2: error: model.pretrained './base': model.embed_tokens.weight")
    assert "infinite or NaN" in said
    cluster = Cluster(monkeypatch)
    with pytest.raises(InputError, match="infinite or NaN"):
        sweep(define(Path("recipe.yaml")), storage, None, lambda _: None)
    assert not cluster.options


def test_corpora_without_their_tokenizer_are_counted_all_the_same(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    change(EMBEDDING, used(storage)[:1], 0.0)
    shutil.rmtree("storage/tokenizers")
    assert f"'' (id {used(storage)[0]}, " in plan(capsys)
