"""Reads the beginning of a corpus before a cluster starts: bad text costs no cluster time."""

from __future__ import annotations

from collections.abc import Iterator

from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import plan_units
from raycl.data.prepare.source import InputFile, TextSource
from raycl.errors import InputError

SAMPLED_FILES = 16
SAMPLE_BYTES = 2**20
"""Of text, read from each sampled file; a small corpus is so read as a whole."""


def check_sample(source: TextSource, files: list[InputFile]) -> None:
    """Read the beginning of some of the files, spread over all of them.

    Raises InputError that names the file and the line where a document cannot be read, and where
    the files were read as a whole and hold no document.
    """
    sampled = _spread(files, SAMPLED_FILES)
    found, whole = 0, len(sampled) == len(files)
    for file in sampled:
        size = 0
        for text in _documents(source, file):
            found, size = found + 1, size + len(text)
            if size >= SAMPLE_BYTES:
                whole = False
                break
    if whole and not found:
        names = ", ".join(file.url for file in files[:3])
        raise InputError(names, "there is no document in it", "Give files that hold text")


def _documents(source: TextSource, file: InputFile) -> Iterator[str]:
    units, _ = plan_units(source, [file], SAMPLE_BYTES)
    for unit in units:
        yield from read_documents(source, unit)


def _spread(files: list[InputFile], count: int) -> list[InputFile]:
    """At most `count` of the files, at equal distances, the first and the last among them."""
    if len(files) <= count:
        return files
    return [files[place * (len(files) - 1) // (count - 1)] for place in range(count)]
