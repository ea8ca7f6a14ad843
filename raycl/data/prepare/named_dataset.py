"""Data sets by name: those of the Hugging Face hub, and folders with the layout of one.

The library `datasets` says which files a configuration and a split have. They are read where they
lie, in parts, by raycl's own readers; nothing is copied here, and no code of a data set runs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from raycl.data.prepare.file_systems import HUB, hub_file_system
from raycl.data.prepare.folders import FoundFile
from raycl.data.prepare.saved_dataset import chosen_split
from raycl.data.prepare.source import DatasetChoice
from raycl.errors import InputError
from raycl.libraries import how_to_install

_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
COMMIT = re.compile(r"[0-9a-f]{40}")


def dataset_pattern(reference: str) -> str:
    """What a recipe's `dataset` stands for: a folder, local or stored, or a name on the hub.

    A folder that exists comes first. Raises InputError where it can be neither.
    """
    if "://" in reference or reference.startswith(("/", ".", "~")) or os.path.isdir(reference):
        return reference
    if not _NAME.fullmatch(reference) or ".." in reference:
        raise InputError(
            f"dataset {reference!r}",
            "neither a folder here nor a name on the hub",
            "Give a folder, or owner/name",
        )
    return f"{HUB}{reference}"


def named_files(pattern: str, choice: DatasetChoice) -> list[FoundFile]:
    """The files of a split, with the SHA-256 of each that the hub knows. Raises InputError."""
    name = pattern.removeprefix(HUB)
    files = _resolved(name, choice)
    urls = [str(url) for url in files[chosen_split(name, list(files), choice.split)]]
    return _on_hub(name, urls) if pattern.startswith(HUB) else [FoundFile(url, 0) for url in urls]


def _resolved(name: str, choice: DatasetChoice) -> dict[str, Iterable[Any]]:
    """The files of every split of a configuration, on the hub at a commit."""
    where = f"dataset {name!r}"
    try:
        import datasets
    except ImportError as error:
        problem = "the library datasets is not installed"
        raise InputError(where, problem, f"Run {how_to_install('datasets')}") from error
    datasets.disable_progress_bars()
    path = name if _NAME.fullmatch(name) else os.path.abspath(os.path.expanduser(name))
    try:
        builder = datasets.load_dataset_builder(path, choice.config, revision=choice.revision)
    except Exception as error:  # the library and the hub's client raise many kinds
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        problem = "; ".join(lines[:2]) or type(error).__name__
        raise InputError(where, f"it cannot be resolved ({problem})", _remedy(problem)) from error
    if getattr(builder.config, "field", None):
        problem = f"its documents are in the field {builder.config.field!r} of whole JSON files"
        raise InputError(where, problem, "Write it as JSON lines or Parquet, and give these files")
    return {str(split): files for split, files in (builder.config.data_files or {}).items()}


def _remedy(problem: str) -> str:
    if "Config" in problem:
        return "Set `config` to one of these"
    if "Couldn't reach" in problem:
        return (
            "Try again with a network. A prepared corpus needs none where `revision` is the commit "
            "that it was made from"
        )
    if "scripts" in problem:
        return (
            "raycl runs no code of data sets. Set `revision: refs/convert/parquet`, where the hub "
            "keeps many of them as Parquet"
        )
    return (
        "Correct the name or the revision; a data set that is private or gated needs the variable "
        "HF_TOKEN, also where tasks run"
    )


def _on_hub(name: str, urls: list[str]) -> list[FoundFile]:
    """Sizes and hashes of files on the hub, by one listing of each of their folders."""
    hub = hub_file_system()
    paths = [url.removeprefix("hf://") for url in urls]
    try:
        for folder in dict.fromkeys(path.rpartition("/")[0] for path in paths):
            hub.ls(folder, detail=True, expand_info=False)
        facts = [hub.info(path) for path in paths]
    except Exception as error:  # the hub's client raises many kinds
        problem = f"its files cannot be listed ({str(error).partition(chr(10))[0]})"
        raise InputError(f"dataset {name!r}", problem, "Try again") from error
    return [
        FoundFile(path, int(fact["size"]), sha256=(fact.get("lfs") or {}).get("sha256") or "")
        for path, fact in zip(paths, facts, strict=True)
    ]
