"""Whether a corpus was made from the dataset that a source names, as far as names can tell."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from raycl.data.manifest import Manifest
from raycl.data.prepare.file_systems import HUB
from raycl.data.prepare.named_dataset import COMMIT
from raycl.data.prepare.source import DatasetChoice, TextSource

DATASET = "dataset"
"""The name of the choice in the source of a manifest."""


def recorded_choice(source: TextSource) -> dict[str, Any] | None:
    """The choice of a dataset's part for a manifest; None where the source is no dataset."""
    return asdict(source.dataset) if source.dataset else None


def is_pinned(source: TextSource, manifest: Manifest) -> bool:
    """Whether it was made from the commit of the hub that the source names, so that it is equal.

    The hub need not be asked then: a prepared corpus needs no network.
    """
    commit = commit_of(manifest)
    pinned = commit is not None and _choice(source).revision == commit
    return pinned and is_the_same_choice(source, manifest)


def is_the_same_choice(source: TextSource, manifest: Manifest) -> bool:
    """Whether it was made from a dataset of this name, and the same part of it."""
    then = manifest.source.get(DATASET)
    if (then is None) != (source.dataset is None):
        return False
    if then is None:
        return True
    now = _choice(source)
    return (
        manifest.source.get("patterns") == list(source.files)
        and (then["split"], then["config"]) == (now.split, now.config)
        and now.revision in (then["revision"], commit_of(manifest))
    )


def commit_of(manifest: Manifest) -> str | None:
    """The commit of the hub that its files were read from; None where they lay elsewhere."""
    files = manifest.source.get("files") or []
    if not files or not isinstance(files[0], dict):
        return None
    found = re.match(rf"{HUB}[^@]+@({COMMIT.pattern})/", files[0]["url"])
    return found.group(1) if found else None


def _choice(source: TextSource) -> DatasetChoice:
    return source.dataset or DatasetChoice()
