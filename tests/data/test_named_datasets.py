"""Data sets by name: of the hub, for which a server stands in, and folders laid out like them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfFileSystem

from raycl.data.manifest import Manifest
from raycl.data.prepare import CorpusSpec, TextSource, check_origin, prepare_corpus
from raycl.data.prepare.dataset_origin import commit_of, is_pinned
from raycl.data.prepare.folders import FoundFile
from raycl.data.prepare.hub_files import HubFiles
from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.named_dataset import dataset_pattern
from raycl.data.prepare.source import DatasetChoice
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.corpus_text import read_all
from tests.helpers.hub_stand_in import NAME, HubStandIn, serve

ONE, TWO = "1" * 40, "2" * 40
CARD = """---
configs:
- config_name: en
  data_files:
  - {split: train, path: "en/train-*.parquet"}
- config_name: de
  data_files:
  - {split: train, path: "de/train.jsonl"}
  - {split: test, path: "de/test.json"}
---
"""


def repository(top: Path, **more: str) -> Path:
    """The files of a data set with two configurations."""
    for name in ("en", "de"):
        (top / name).mkdir(parents=True)
    for number, text in enumerate(("a", "b")):
        table = pa.table({"text": [text], "lang": ["en"]})
        pq.write_table(table, top / f"en/train-{number}.parquet")
    (top / "de/train.jsonl").write_text('{"text": "c"}\n{"text": "d"}\n')
    (top / "de/test.json").write_text('{"text": "e"}\n')
    (top / "README.md").write_text(CARD)
    for name, content in more.items():
        (top / f"{name}.py").write_text(content)
    return top


READ = """
import json, sys
from raycl.data.prepare.digests import digests
from raycl.data.prepare.hub_files import HubFiles
from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.source import DatasetChoice, TextSource
from raycl.errors import InputError
from tests.helpers.corpus_text import read_all

for choice in json.loads(sys.argv[1]):
    source = TextSource(("hf://datasets/owner/name",), dataset=DatasetChoice(*choice))
    try:
        files = find_files(source)
        found = {"urls": [file.url for file in files], "sha256": list(digests(files).values())}
        print(json.dumps({**found, "texts": read_all(source)}))
    except InputError as error:
        print(json.dumps({"error": str(error)}))
"""


def read_from(hub: HubStandIn, home: Path, *choices: tuple[str | None, ...]) -> list[Any]:
    """What another process finds there: the hub's client takes its address when it is imported."""
    environment = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", READ, json.dumps(choices)],
        env={"PATH": "/usr/bin:/bin", "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.s3
def test_the_hub(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    hub = HubStandIn({ONE: repository(tmp_path / "one"), TWO: repository(tmp_path / "two")})
    (tmp_path / "two/de/train.jsonl").write_text('{"text": "new"}\n')
    with serve(hub):
        english, german, pinned, test, *errors = read_from(
            hub,
            tmp_path / "home",
            ("train", "en"),
            ("train", "de"),
            ("train", "de", ONE),
            ("test", "de"),
            (None, "de"),
            ("dev", "de"),
            ("train", "fr"),
            ("train",),
            ("train", "en", "no-such-branch"),
        )
    assert english["texts"] == ["a", "b"]
    assert english["urls"] == [f"hf://datasets/{NAME}@{TWO}/en/train-{n}.parquet" for n in (0, 1)]
    assert (german["texts"], pinned["texts"], test["texts"]) == (["new"], ["c", "d"], ["e"])
    assert german["sha256"] != pinned["sha256"]
    # Of large files the hub knows the SHA-256; the small one was read for it, and for its text.
    assert hub.read.count("en/train-0.parquet") <= 3
    messages = (
        "the splits train, test",
        "no such split. Use one of train, test",
        "Available: ['en', 'de']). Set `config` to one of these",
        "available configs: ['en', 'de']). Set `config` to one of these",
        "'no-such-branch'",
    )
    for found, message in zip(errors, messages, strict=True):
        assert message in found["error"]


def test_a_folder_with_the_layout_of_the_hub(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = repository(tmp_path / "data")

    def source(*choice: str | None) -> TextSource:
        return TextSource((str(folder),), dataset=DatasetChoice(*choice))

    assert read_all(source("train", "en")) == ["a", "b"]
    assert read_all(source("test", "de")) == ["e"]
    with pytest.raises(InputError, match=r"Available: \['en', 'de'\].* Set `config`"):
        read_all(source("train", "fr"))
    with pytest.raises(InputError, match=r"no such split\. Use one of train, test"):
        read_all(source("dev", "de"))
    with pytest.raises(
        InputError, match=r"train-0\.parquet: there is no column 'body'.* text, lang"
    ):
        read_all(replace(source("train", "en"), text_field="body"))


def test_a_folder_without_a_card(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n')
    assert read_all(TextSource((str(tmp_path),), dataset=DatasetChoice())) == ["a"]
    (tmp_path / "test.jsonl").write_text('{"text": "b"}\n')
    assert read_all(TextSource((str(tmp_path),), dataset=DatasetChoice("test"))) == ["b"]
    with pytest.raises(InputError, match="the splits train, test"):
        read_all(TextSource((str(tmp_path),), dataset=DatasetChoice()))


def test_no_code_of_a_data_set_runs(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    mark = tmp_path / "ran"
    folder = repository(tmp_path / "data", data=f"open({str(mark)!r}, 'w')")
    with pytest.raises(InputError, match=r"scripts are no longer supported.* runs no code of data"):
        read_all(TextSource((str(folder),), dataset=DatasetChoice("train", "en")))
    assert not mark.exists()


def test_a_hub_that_fails_is_a_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("connection lost")

    opened = SimpleNamespace(cache=SimpleNamespace(fetcher=refuse))
    monkeypatch.setattr(HfFileSystem, "_open", lambda *_: opened)
    with pytest.raises(OSError, match="RuntimeError: connection lost"):
        HubFiles()._open("datasets/owner/name@main/a.txt").cache.fetcher(0, 1)
    monkeypatch.setattr(HfFileSystem, "_open", refuse)
    with pytest.raises(OSError, match="RuntimeError: connection lost"):
        HubFiles()._open("datasets/owner/name@main/a.txt")


def test_what_a_reference_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner/local").mkdir(parents=True)
    for folder in ("owner/local", "./missing", "/a", "~/a", "s3://bucket/a"):
        assert dataset_pattern(folder) == folder
    assert dataset_pattern("owner/name") == "hf://datasets/owner/name"
    for wrong in ("a/b/c", "owner/../x", "two words", "owner/name@main"):
        with pytest.raises(InputError, match="neither a folder here nor a name on the hub"):
            dataset_pattern(wrong)
    with pytest.raises(InputError, match="no dataset that `save_to_disk` wrote"):
        find_files(TextSource(("./missing",), dataset=DatasetChoice()))
    with pytest.raises(InputError, match=r"lies on the Hugging Face hub\. Give `dataset"):
        find_files(TextSource(("hf://datasets/owner/name/a.parquet",)))


class Hub:
    """What the hub says now, for the identity of corpora; None where it cannot be reached."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commit, self.asked = folder, ONE, 0

    def files(self, pattern: str, choice: DatasetChoice) -> list[FoundFile]:
        """As `named_files`: the corpus of the fixture, under the URL of a commit."""
        self.asked += 1
        if not self.commit:
            raise InputError(f"dataset {pattern!r}", "it cannot be resolved", "Try again")
        commit, split = choice.revision or self.commit, choice.split or "train"
        digest = "0" * 63 + ("1" if commit == ONE else "2")
        return [FoundFile(f"datasets/owner/name@{commit}/{split}.jsonl", 9, sha256=digest)]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    made = Hub(tmp_path)
    monkeypatch.setattr("raycl.data.prepare.inputs.named_files", made.files)
    return made


@pytest.fixture
def from_hub(corpus: tuple[Storage, CorpusSpec, str], in_process: None) -> Any:  # noqa: ARG001
    """A manifest as if the corpus came from the hub's commit ONE, and a check against a choice."""
    storage, spec, reference = corpus
    manifest = prepare_corpus(storage, spec, reference)
    url = f"hf://datasets/owner/name@{ONE}/train.jsonl"
    facts = {"size": 9, "modified": 0, "changed": 0, "inode": 0, "compression": None}
    file = {"url": url, "format": "jsonl", "sha256": "0" * 63 + "1", **facts}
    source = {
        **manifest.source,
        "patterns": ["hf://datasets/owner/name"],
        "dataset": {"split": "train", "config": None, "revision": None},
        "files": [file],
    }
    made = manifest.model_copy(update={"source": source})

    def check(*choice: str | None) -> None:
        named = TextSource(("hf://datasets/owner/name",), dataset=DatasetChoice(*choice))
        check_origin(storage, replace(spec, source=named), made, manifest.tokenizer)

    return made, check


def test_a_corpus_of_the_hub_is_known_by_its_files(
    hub: Hub, from_hub: tuple[Manifest, Any]
) -> None:
    made, check = from_hub
    assert commit_of(made) == ONE
    check("train")
    assert hub.asked == 1
    hub.commit = TWO
    with pytest.raises(
        InputError, match=rf"the content of .* Its text is that of `revision: {ONE}"
    ):
        check("train")
    check("train", None, ONE)
    assert hub.asked == 2  # a commit that is named is not asked for


def test_without_the_hub_an_equal_choice_is_taken_and_another_one_is_not(
    hub: Hub, from_hub: tuple[Manifest, Any]
) -> None:
    made, check = from_hub
    hub.commit = ""
    check("train")
    assert hub.asked == 1
    check("train", None, ONE)
    for choice in (("test",), ("train", "en"), ("train", None, TWO)):
        with pytest.raises(InputError, match=r"the dataset \(it cannot be looked up: hf://"):
            check(*choice)
    source = TextSource(("hf://datasets/owner/name",), dataset=DatasetChoice("train", None, ONE))
    assert is_pinned(source, made)
    assert not is_pinned(replace(source, files=("hf://datasets/owner/other",)), made)
    assert not is_pinned(replace(source, dataset=DatasetChoice("test", None, ONE)), made)
