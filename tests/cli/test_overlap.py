"""`raycl overlap`: what it prints and stores, and what it needs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from raycl.cli.main import main
from raycl.data.manifest import load_manifest
from raycl.data.overlap import OverlapReport
from raycl.data.prepare import CorpusSpec, TextSource, prepare_corpora, train_tokenizer
from raycl.storage import Storage, layout
from raycl.storage.record import read_record
from tests.helpers.corpus_text import texts, write_lines
from tests.helpers.recipe_data import recipe_data


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    """Corpora `old` and `new`, of which half nearly repeats the old one, and a recipe of both."""

    def run_tasks(task: Any, items: list[Any]) -> Iterator[Any]:
        yield from (json.loads(json.dumps(task(item))) for item in items)

    monkeypatch.setattr("raycl.data.prepare.ray_tasks.run_tasks", run_tasks)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "old.jsonl", texts(60))
    write_lines(tmp_path / "new.jsonl", [f"{t} it sang" for t in texts(40)] + texts(40, seed=3))
    made, data = Storage(tmp_path / "runs"), recipe_data()
    sources = {name: TextSource((f"{name}.jsonl",)) for name in ("old", "new")}
    reference, _ = train_tokenizer(made, list(sources.values()), 300, 50_000, 0)
    length = data["sequence_length"]
    prepare_corpora(
        made, [CorpusSpec(n, source, length, 0.2) for n, source in sources.items()], reference
    )
    data["corpora"] = {name: {"text": f"{name}.jsonl"} for name in sources}
    Path("my.yaml").write_text(yaml.safe_dump({**data, "tokenizer": reference}))
    return made


def run(*options: str) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as end:
        main(["overlap", "my.yaml", *options])
    return int(end.value.code or 0)


def test_overlaps_are_printed_and_stored(
    storage: Storage, capfd: pytest.CaptureFixture[str]
) -> None:
    run("--storage", "runs")
    told = " ".join(capfd.readouterr().out.split())
    assert "they replay old whatever `replay` says" in told
    path = layout.overlaps(recipe_data()["name"])
    assert storage.full_path(path) in told.replace(" ", "")
    stored = read_record(storage, path, OverlapReport)
    found = {(o.corpus, o.split, o.other): o.documents for o in stored.overlaps}
    assert found["new", "train", "old"] > 10
    assert found["new", "train", "new"] == 0
    assert stored.corpora["new"] == load_manifest(storage, "corpora/new").fingerprint
    run("--storage", "runs", "--json", "--threshold", "1")
    printed = json.loads(capfd.readouterr().out)
    assert all(overlap["documents"] == 0 for overlap in printed["overlaps"])
    run("--storage", "runs", "--threshold", "1")
    assert "No document repeats another" in capfd.readouterr().out


def test_what_it_needs(
    storage: Storage, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("--storage", "elsewhere") == 2
    assert "it is not prepared in this storage" in " ".join(capfd.readouterr().err.split())
    monkeypatch.setitem(sys.modules, "datasketch", None)
    assert run("--storage", "runs") == 2
    # With raycl's metadata it names the version too.
    told = " ".join(capfd.readouterr().err.split())
    assert re.search(r"Run pip install '?datasketch", told)
    assert not storage.exists(layout.OVERLAPS)
