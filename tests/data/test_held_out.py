"""Held-out documents taken back from shuffled rows, and the tasks made from them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from raycl.cli.main import main
from raycl.data.held_out import held_out_documents, join_rows
from raycl.data.manifest import load_manifest, write_manifest
from raycl.data.prepare.pack import cut_rows
from raycl.data.shards import CorpusReader
from raycl.errors import InputError
from raycl.evaluation.cloze import CHOICES, cloze_items
from raycl.evaluation.task_requests import requests
from raycl.storage import Storage
from tests.helpers.held_out_text import prepare_text, texts


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    return prepare_text(tmp_path_factory.mktemp("text"))


def test_the_documents_are_those_that_were_held_out(storage: Storage) -> None:
    manifest = load_manifest(storage, "corpora/prose")
    found, known = list(held_out_documents(storage, "prose")), set(texts())
    assert len(manifest.validation.shards) > 1
    # The last of each shard may end behind the last whole row.
    assert 0 <= manifest.validation.documents - len(found) <= len(manifest.validation.shards)
    assert len(set(found)) == len(found) > 10
    assert all(text in known for text in found)


@given(st.lists(st.integers(0, 99), min_size=4, max_size=80), st.integers(1, 9), st.integers(0, 9))
def test_rows_are_joined_to_the_stream_they_were_cut_from(
    stream: list[int], length: int, seed: int
) -> None:
    rows = cut_rows(np.array(stream), length)
    if not len(rows):
        return
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, 1))))
    joined = join_rows(rows[generator.permutation(len(rows))], (seed, 1))
    assert joined is not None
    assert joined.tolist() == stream[: len(rows) * length + 1]


def test_rows_in_another_order_are_refused(storage: Storage, tmp_path: Path) -> None:
    manifest = load_manifest(storage, "corpora/prose")
    other = Storage(tmp_path)
    other.upload_folder(Path(storage.full_path("corpora")), "corpora")
    other.upload_folder(Path(storage.full_path("tokenizers")), "tokenizers")
    write_manifest(other, "corpora/prose", manifest.model_copy(update={"seed": 6}))
    with pytest.raises(InputError, match="not shuffled by raycl"):
        list(held_out_documents(other, "prose"))


def test_empty_training_buckets_count_in_the_seeds(storage: Storage) -> None:
    manifest = load_manifest(storage, "corpora/prose")
    shard = manifest.validation.shards[0]
    rows = CorpusReader(storage, "corpora/prose", manifest, "validation").read(0, shard.rows)
    buckets = len(manifest.train.shards)
    assert join_rows(rows, (manifest.seed, buckets)) is not None
    assert join_rows(rows, (manifest.seed, buckets + 1)) is None


def test_cloze_items_ask_for_the_word_that_was_there(storage: Storage) -> None:
    documents = list(held_out_documents(storage, "prose"))
    items = cloze_items(documents, 100, seed=1)
    assert len(items) > 40
    assert items == cloze_items(documents, 100, seed=1)
    assert items != cloze_items(documents, 100, seed=2)
    whole = [" ".join(document.split()) for document in documents]
    for item in items:
        assert len({choice.lower() for choice in item.choices}) == CHOICES
        assert len({choice[0].isupper() for choice in item.choices}) == 1
        sentence = f"{item.context} {item.choices[item.gold]}"
        assert any(sentence in document for document in whole)
    golds = [item.gold for item in items]
    assert all(golds.count(place) > len(items) / 10 for place in range(CHOICES))


def test_distractors_are_about_as_frequent() -> None:
    text = "".join(
        f"{word} " * count
        for count, word in enumerate(
            ("rare", "seldom", "sparse", "scant", "usual", "common", "often", "mostly"), 1
        )
    )
    sentence = "One two three four five six seven it was rare."
    (item,) = cloze_items([f"{text}\n. {sentence} "], 1, seed=0)
    assert item.choices[item.gold] == "rare"
    assert set(item.choices) <= {
        "rare",
        "seldom",
        "sparse",
        "scant",
        "usual",
        "common",
        "often",
        "mostly",
        "three",
        "four",
        "five",
        "seven",
    }


def test_the_command_writes_the_same_tasks_again(
    storage: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("one", "two"):
        with pytest.raises(SystemExit) as ended:
            main(
                [
                    "tasks",
                    "--storage",
                    storage.url,
                    "--to",
                    str(tmp_path / folder),
                    "--corpus",
                    "prose",
                ]
            )
        assert not ended.value.code
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    tasks = ["bits_per_byte_prose", "cloze_prose"]
    assert names == sorted(f"{task}.{kind}" for task in tasks for kind in ("jsonl", "yaml"))
    for name in tasks:
        one, two = ((tmp_path / folder / f"{name}.jsonl") for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
        task = yaml.safe_load(one.with_suffix(".yaml").read_text())
        assert task["dataset_kwargs"]["data_files"]["test"] == str(one)
    first, second = (
        requests([str(tmp_path / folder)], storage, [], tmp_path) for folder in ("one", "two")
    )
    assert [request.name for request in first] == tasks
    # The same questions are known wherever they lie; others are not.
    assert [r.digest for r in first] == [r.digest for r in second]
    lines = (tmp_path / "two/cloze_prose.jsonl").read_text().splitlines()
    (tmp_path / "two/cloze_prose.jsonl").write_text("\n".join(lines[1:]))
    assert requests([str(tmp_path / "two")], storage, [], tmp_path)[0].digest != first[0].digest
    assert json.loads(lines[0]).keys() == asdict(cloze_items(texts(), 1, 0)[0]).keys()
    with pytest.raises(SystemExit):
        main(["tasks", "--storage", storage.url, "--to", str(tmp_path), "--corpus", "verse"])
    assert "Corpora here: prose" in capsys.readouterr().err


def test_the_papers_tasks_and_shots(storage: Storage, tmp_path: Path) -> None:
    english = {r.name: r.shots for r in requests(["paper-english"], storage, [], tmp_path)}
    assert [name for name, shots in english.items() if shots == 5] == [
        "nq_open",
        "triviaqa",
        "mmlu",
    ]
    assert [name for name, shots in english.items() if shots == 0] == [
        "hellaswag",
        "winogrande",
        "piqa",
        "openbookqa",
        "arc_easy",
        "arc_challenge",
        "boolq",
        "mathqa",
    ]
    german = {r.name: r.shots for r in requests(["paper-german"], storage, [], tmp_path)}
    assert german == {"hellaswag_de": 0, "arc_de": 0, "m_mmlu_de": 5}
    with pytest.raises(InputError, match="no folder with"):
        requests(["./nowhere"], storage, [], tmp_path)
