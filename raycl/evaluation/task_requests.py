"""Reads the words of `--tasks`: tasks of lm-evaluation-harness, lists, folders, local tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.nodes import MappingNode, ScalarNode

from raycl.errors import InputError
from raycl.evaluation.local_tasks import KINDS, write_local_tasks
from raycl.recipe.yaml import compose, read_source
from raycl.storage import Storage

LISTS = Path(__file__).parent / "tasks"


@dataclass(frozen=True)
class TaskRequest:
    """A task or group of the harness."""

    name: str
    shots: int | None = None
    """Number of examples before each question; None: the task's own number."""
    folder: str | None = None
    """Folder of the task's YAML; None for a task of the harness itself."""
    digest: str | None = None
    """Digest of a local task's content. Stored results are used only while it stays the same."""


def requests(
    words: Sequence[str], storage: Storage, corpora: Sequence[str], scratch: Path
) -> list[TaskRequest]:
    """The tasks that the words of `--tasks` name; local ones are written into `scratch`.

    A word is `cloze` or `bits-per-byte` (a task for each corpus), the name of a list in
    raycl/evaluation/tasks, a folder of task YAMLs, or a name of the harness. Raises InputError.
    """
    found = [request for word in words for request in _requests(word, storage, corpora, scratch)]
    return list({request.name: request for request in found}.values())


def check_words(words: Sequence[str]) -> None:
    """Raise InputError where a path among the words is no folder with tasks."""
    for word in words:
        folder = Path(word).expanduser()
        if ("/" in word or folder.is_dir()) and not _yaml_files(folder):
            raise InputError(f"--tasks {word!r}", "no folder with *.yaml tasks", "Give one")


def _requests(
    word: str, storage: Storage, corpora: Sequence[str], scratch: Path
) -> Iterator[TaskRequest]:
    if word in KINDS:
        for corpus in corpora:
            # A folder for each, so that the scores of one do not depend on which others there are.
            folder = scratch / word / corpus
            write_local_tasks(storage, [corpus], folder, [word])
            yield from _of_folder(folder)
    elif (LISTS / f"{word}.yaml").exists():
        for entry in yaml.safe_load((LISTS / f"{word}.yaml").read_text("utf-8"))["task"]:
            name = entry.get("task") or entry["group"]
            yield TaskRequest(name, entry.get("num_fewshot"))
    elif "/" in word or Path(word).is_dir():
        check_words([word])
        yield from _of_folder(Path(word).expanduser())
    else:
        yield TaskRequest(word)


def _of_folder(folder: Path) -> Iterator[TaskRequest]:
    digest = _digest(folder)
    for file in _yaml_files(folder):
        name = _name(file)
        if name is not None:
            yield TaskRequest(name, folder=str(folder.resolve()), digest=digest)


def _yaml_files(folder: Path) -> list[Path]:
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def _name(file: Path) -> str | None:
    """The name of the task in a file; None where other files only include it.

    The rest of the file is the harness' own, with tags such as !function, and is not built.
    """
    root = compose(read_source(file), str(file))
    for key, value in root.value if isinstance(root, MappingNode) else ():
        if key.value == "task" and isinstance(value, ScalarNode):
            return str(value.value)
    return None


def _digest(folder: Path) -> str:
    """SHA-256 of the folder's files, without hidden ones, which are caches.

    The folder's own path, which its files may contain, does not count.
    """
    digest, place = hashlib.sha256(), str(folder.resolve()).encode()
    files = [path for path in folder.rglob("*") if path.is_file()]
    shown = [p for p in files if not any(n.startswith(".") for n in p.relative_to(folder).parts)]
    for file in sorted(shown):
        digest.update(file.name.encode() + b"\0" + file.read_bytes().replace(place, b"") + b"\0")
    return digest.hexdigest()
