"""`raycl prepare` and `raycl plan` on text of one's own: what is told, refused and recognised."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from raycl.cli.main import main
from tests.helpers.corpus_text import texts, write_lines
from tests.helpers.recipe_data import recipe_data

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a command on a recipe with changes to its corpora: exit code and output."""

    def run_tasks(task: Any, items: list[Any]) -> Iterator[Any]:
        yield from (json.loads(json.dumps(task(item))) for item in items)

    monkeypatch.setattr("raycl.data.prepare.ray_tasks.run_tasks", run_tasks)
    monkeypatch.setattr("raycl.cluster.connect.cluster", lambda *_: nullcontext())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").mkdir()
    write_lines(tmp_path / "text/part-0.jsonl", texts(200))
    write_lines(tmp_path / "new.jsonl", texts(300)[150:])

    def command(name: str, storage: str = "runs", **old: Any) -> tuple[int, str]:
        corpora = {
            "old": {"text": "text", "validation": "5%", **old},
            "new": {"text": "new.jsonl", "validation": "30%", "seed": 4},
        }
        data = recipe_data(corpora=corpora, tokenizer={"train": {"vocabulary": 300}})
        Path("my.yaml").write_text(yaml.safe_dump(data))
        capfd.readouterr()
        try:
            code = main([name, "my.yaml", "--storage", storage])
        except SystemExit as end:
            code = end.code
        printed = capfd.readouterr()
        return int(code or 0), printed.out + printed.err

    return command


def test_markers_and_shared_documents_are_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text/_SUCCESS").touch()
    (tmp_path / "text/README.md").write_text("read me")
    (tmp_path / "text/latest").symlink_to(".")
    code, output = run("prepare")
    told = " ".join(output.split())
    assert code == 0
    assert "not read, since they hold no text of it" in told
    assert "_SUCCESS" in told
    assert "corpus old: 50 documents are in corpus new too" in told
    assert "held out because another corpus holds them out" in told
    assert run("plan")[0] == 0


def test_a_project_that_was_copied_touched_or_linked_is_the_same(run: Run, tmp_path: Path) -> None:
    assert run("prepare")[0] == 0
    os.utime(tmp_path / "text/part-0.jsonl")
    shutil.copytree(tmp_path / "text", tmp_path / "copy")
    (tmp_path / "link").symlink_to("text")
    for place in ("text", "copy", "link/*.jsonl", "copy/part-[!1].jsonl"):
        code, output = run("prepare", text=place)
        assert (code, "prepared already" in output) == (0, True)
    (tmp_path / "text/part-0.jsonl").write_text('{"text": "other"}\n')
    code, output = run("prepare")
    assert code == 2
    assert "other input or settings" in " ".join(output.split())


def test_the_remedy_for_a_suffix_can_be_followed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text/part-0.jsonl").rename(tmp_path / "part")
    code, output = run("prepare", text="part")
    assert code == 2
    assert "set `format` to one of jsonl" in " ".join(output.split())
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
    assert run("prepare", text="part", format="jsonl")[0] == 0
    code, output = run("plan", text="part", format="klingon")
    assert code == 2
    assert "there is no format 'klingon'" in " ".join(output.split())


def test_a_separator_of_documents(run: Run, tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("\n%%\n".join(texts(100)))
    code, _ = run("prepare", text="all.txt", document_separator="\n%%\n")
    assert code == 0
    manifest = json.loads((tmp_path / "runs/corpora/old/manifest.json").read_text())
    assert manifest["train"]["documents"] + manifest["validation"]["documents"] == 100
    code, output = run("prepare", text="all.txt", document_separator="%")
    assert code == 2
    assert "document_separator" in output
