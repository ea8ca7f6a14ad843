"""A corpus to prepare, and preparation without Ray."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from raycl.data.prepare import CorpusSpec, TextSource, train_tokenizer
from raycl.storage import Storage
from tests.helpers.corpus_text import texts, write_lines


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests of files are remembered within a test only."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr("raycl.data.prepare.digests._known", {})


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks run here one by one, last first, instead of on Ray."""

    def run_tasks(task: Any, items: list[Any]) -> Iterator[Any]:
        yield from (json.loads(json.dumps(task(item))) for item in reversed(items))

    monkeypatch.setattr("raycl.data.prepare.ray_tasks.run_tasks", run_tasks)


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[Storage, CorpusSpec, str]:
    """A storage, a spec over 300 documents in three buckets or so, and a tokenizer."""
    write_lines(tmp_path / "a.jsonl", texts(300))
    source = TextSource((str(tmp_path / "*.jsonl"),))
    storage = Storage(tmp_path / "storage")
    reference, _ = train_tokenizer(storage, [source], 330, 50_000, 0)
    return storage, CorpusSpec("c", source, 16, 0.1, seed=3, shard_tokens=5_000), reference
