"""Fetches a real corpus for a first run: `<folder>/<name>.jsonl`, with its description beside it.

Debian packages are tried first, since their text can be checked against a known sha256. The hub is
tried where there are no Debian packages.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raycl.data.corpora import debian
from raycl.data.corpora.catalogue import Corpus, find
from raycl.data.corpora.debian import NotObtainable
from raycl.data.corpora.extract import Document, source_documents
from raycl.data.corpora.hub import hub_documents
from raycl.data.corpora.select import Selection, select
from raycl.errors import InputError
from raycl.libraries import how_to_install
from raycl.storage import Storage

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Fetched:
    """The text of a corpus, and where it came from."""

    selection: Selection
    origin: dict[str, Any]
    licence: str


def fetch(name: str, folder: Path, progress: Progress = print) -> Path:
    """`<folder>/<name>.jsonl`, one {"text", "source"} per document. Raises InputError.

    A file that is already there is returned as it is if it still matches its description
    `<name>.json`, and is never overwritten.
    """
    corpus = find(name)
    target = Path(folder) / f"{name}.jsonl"
    if target.exists():
        _check_unchanged(target)
        return target
    fetched = _from_anywhere(name, corpus, progress)
    description = _description(corpus, fetched)
    # The description is written first. If the process ends in between, there is no text, and the
    # next call fetches it again.
    storage = Storage(folder)
    storage.write_json(f"{name}.json", description)
    storage.write_bytes(target.name, fetched.selection.data)
    size = fetched.selection.text_bytes / 1e6
    progress(f"{name}: {fetched.selection.documents:,} documents, {size:.1f} MB in {target}")
    return target


def _description(corpus: Corpus, fetched: Fetched) -> dict[str, Any]:
    return {
        "description": corpus.description,
        "licence": fetched.licence,
        "documents": fetched.selection.documents,
        "bytes": fetched.selection.text_bytes,
        "sha256": fetched.selection.sha256,
        **fetched.origin,
    }


def _check_unchanged(target: Path) -> None:
    """Raise InputError unless the file matches the description beside it."""
    remedy = (
        f"Remove it to fetch the corpus again; if it is text of your own, move it and give it as "
        f"corpora.{target.stem}.text in the recipe"
    )
    try:
        description = Storage(target.parent).read_json(f"{target.stem}.json")
    except FileNotFoundError:
        problem = f"it has no description {target.stem}.json beside it, so it cannot be checked"
        raise InputError(str(target), problem, remedy) from None
    with target.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if not isinstance(description, dict) or description.get("sha256") != actual:
        problem = f"it was changed or damaged since it was fetched (sha256 {actual[:12]}…)"
        raise InputError(str(target), problem, remedy)


def _from_anywhere(name: str, corpus: Corpus, progress: Progress) -> Fetched:
    try:
        return from_debian(name, corpus, debian.cache_folder(), progress)
    except NotObtainable as problem:
        tried = f"Debian: {problem}"
    if corpus.hub is None:
        tried += "; Hugging Face: it has no counterpart of this corpus"
    else:
        progress(f"{name}: no Debian packages here, trying {corpus.hub.dataset} on Hugging Face")
        try:
            return from_hub(corpus)
        except NotObtainable as problem:
            tried += f"; Hugging Face: {problem}"
    raise InputError(
        f"corpus {name!r}",
        f"it could not be fetched ({tried})",
        f"Give your own text in the recipe, corpora.{name}.text: [my/*.jsonl]; or run where "
        f"`apt-get download` works, or with internet access and {how_to_install('datasets')}",
    )


def from_debian(name: str, corpus: Corpus, cache: Path, progress: Progress) -> Fetched:
    """The corpus out of Debian packages. Raises NotObtainable; InputError on another checksum."""
    try:
        files = _package_files(corpus, cache, progress)
    except NotObtainable:
        if not debian.refresh_lists(progress):
            raise
        files = _package_files(corpus, cache, progress)
    versions = {package: debian.version(file) for package, file in files}
    progress(f"{name}: extracting the text of {', '.join(versions)}")
    selection = select(_unpacked_documents(corpus, files), corpus.language)
    _check_known(name, corpus, versions, selection, progress)
    return Fetched(selection, {"packages": versions}, corpus.licence)


def _package_files(corpus: Corpus, cache: Path, progress: Progress) -> list[tuple[str, Path]]:
    return [debian.package_file(source.package, cache, progress) for source in corpus.sources]


def _unpacked_documents(
    corpus: Corpus, files: list[tuple[str, Path]]
) -> Iterator[tuple[str, Document]]:
    for source, (package, file) in zip(corpus.sources, files, strict=True):
        with tempfile.TemporaryDirectory(prefix="raycl-corpus-") as folder:
            debian.unpack(file, Path(folder))
            yield from source_documents(source, Path(folder), package)


def _check_known(
    name: str, corpus: Corpus, versions: dict[str, str], selection: Selection, progress: Progress
) -> None:
    """Compare the text with the catalogue, which has its sha256 for some package versions."""
    if selection.documents == 0:
        raise NotObtainable(f"there is no text where it used to be in {', '.join(versions)}")
    shown = ", ".join(f"{package} {version}" for package, version in versions.items())
    expected = corpus.known_sha256(versions)
    if expected is None:
        progress(f"{name}: raycl does not know the text of {shown}; recorded it")
    elif expected != selection.sha256:
        raise InputError(
            f"corpus {name!r}",
            f"the text of {shown} has sha256 {selection.sha256}, where {expected} is known",
            f"Remove the packages in {debian.cache_folder()} and fetch again; if it stays, report "
            "it as a bug of raycl",
        )


def from_hub(corpus: Corpus) -> Fetched:
    """The corpus's stand-in on Hugging Face: other text of the same language."""
    assert corpus.hub is not None
    selection = select(hub_documents(corpus.hub), None)
    if selection.documents == 0:
        raise NotObtainable(f"{corpus.hub.dataset} gave no text")
    origin = {"hub": corpus.hub.model_dump(include={"dataset", "config", "split"})}
    return Fetched(selection, origin, corpus.hub.licence)
