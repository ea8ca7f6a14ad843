"""Tasks for lm-evaluation-harness from a storage's own held-out documents, as YAML and JSONL."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from raycl.data.held_out import held_out_documents
from raycl.errors import InputError
from raycl.evaluation.cloze import cloze_items
from raycl.storage import Storage

KINDS = ("cloze", "bits-per-byte")
_CHARACTERS = 8192
"""A task uses only so much of each document's beginning, so that it ends in reasonable time."""


@dataclass(frozen=True)
class TaskSizes:
    """The most documents of each corpus in a task, and the most cloze items made from them."""

    documents: int = 200
    items: int = 500


def write_local_tasks(
    storage: Storage,
    corpora: Sequence[str],
    folder: Path,
    kinds: Sequence[str] = KINDS,
    sizes: TaskSizes | None = None,
    seed: int = 0,
) -> list[str]:
    """Write a task of each kind for each corpus into `folder`; the names of the tasks.

    The same storage, sizes and seed give the same files. Raises InputError where a corpus has no
    document to ask about.
    """
    sizes = sizes or TaskSizes()
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for corpus in corpora:
        texts = [
            beginning(text)
            for text in itertools.islice(held_out_documents(storage, corpus), sizes.documents)
        ]
        for kind in kinds:
            lines: list[dict[str, Any]]
            if kind == "cloze":
                lines = [asdict(item) for item in cloze_items(texts, sizes.items, seed)]
            else:
                lines = [{"text": text} for text in texts]
            if not lines:
                raise InputError(
                    f"corpus {corpus!r}",
                    f"its held-out text gives no {kind} task",
                    "Hold out more of it",
                )
            names.append(_write(folder, task_name(kind, corpus), kind, lines))
    return names


def task_name(kind: str, corpus: str) -> str:
    """The name of the task of a kind that is made of a corpus: `cloze_german`."""
    return f"{kind.replace('-', '_')}_{corpus}"


def beginning(text: str) -> str:
    """The whole words in the first 8192 characters of a document."""
    if len(text) <= _CHARACTERS:
        return text
    return text[:_CHARACTERS].rsplit(None, 1)[0]


def _write(folder: Path, name: str, kind: str, lines: Sequence[dict[str, Any]]) -> str:
    data = folder.resolve() / f"{name}.jsonl"
    data.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), "utf-8")
    task = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {
            "data_files": {"test": str(data)},
            # Within the folder, so that the cache is removed together with it.
            "cache_dir": str(data.parent / ".datasets"),
        },
        "test_split": "test",
        "metadata": {"version": 1},
        **(_CLOZE if kind == "cloze" else _BITS_PER_BYTE),
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(task, sort_keys=False), "utf-8")
    return name


_CLOZE = {
    "output_type": "multiple_choice",
    "doc_to_text": "context",
    "doc_to_choice": "choices",
    "doc_to_target": "gold",
    "metric_list": [
        {"metric": metric, "aggregation": "mean", "higher_is_better": True}
        for metric in ("acc", "acc_norm")
    ],
}
_BITS_PER_BYTE = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "text",
    "metric_list": [{"metric": "bits_per_byte"}, {"metric": "byte_perplexity"}],
}
