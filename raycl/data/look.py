"""A look into text before it is prepared: how much there is, and in how many documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import find_inputs
from raycl.data.prepare.readers import reader_named
from raycl.data.prepare.sample import spread
from raycl.data.prepare.source import InputFile, TextSource
from raycl.errors import InputError

_FILES = 8
_PIECE_BYTES = 2**19
_MOST_READ = 2**21
"""Characters that are read of a file which cannot be read in pieces."""
_KEPT = 2**15
"""Characters of each file that are kept to count tokens in."""


@dataclass(frozen=True)
class Look:
    """What was seen of a corpus' text; all numbers are estimates from the beginnings of files."""

    files: int
    bytes: int
    """Of text, in UTF-8."""
    documents: int
    sample: tuple[str, ...]
    """Beginnings of some of its documents."""
    plain: bool
    """Whether all files are plain text, where a file is a document unless a separator says else."""

    def bytes_per_token(self, count: Callable[[str], int]) -> float:
        """Bytes of text for each token, by the sample; `count` counts the tokens of a text."""
        tokens = sum(count(text) + 1 for text in self.sample)  # and the end of the document
        return sum(len(text.encode()) for text in self.sample) / tokens


@dataclass
class _Seen:
    """What was read of one file."""

    file: InputFile
    expected: int = 0
    """Bytes that its reader expects in it."""
    read: int = 0
    """Bytes, in the same measure, of what was read."""
    text_bytes: int = 0
    documents: int = 0
    texts: list[str] = field(default_factory=list)


def look(source: TextSource) -> Look:
    """See how much text a source has, by the beginning of a few of its files.

    Raises InputError where there are no files or no text, and where something cannot be read.
    """
    files = find_inputs(source).files
    seen = [_seen(source, file) for file in spread(files, _FILES)]
    read, documents = sum(s.read for s in seen), sum(s.documents for s in seen)
    if not documents:
        names = ", ".join(s.file.url for s in seen[:3])
        raise InputError(names, "there is no text in it", "Give files that hold text")
    grown = sum(s.expected for s in seen) / max(1, sum(s.file.size for s in seen))
    whole = sum(file.size for file in files) * grown / read
    sample = tuple(text for s in seen for text in s.texts)
    plain = all(file.format == "text" for file in files)
    text_bytes = sum(s.text_bytes for s in seen)
    count = max(1, round(documents * whole))
    if plain and source.document_separator is None:
        count = len(files)
    return Look(len(files), round(text_bytes * whole), count, sample, plain)


def _seen(source: TextSource, file: InputFile) -> _Seen:
    seen = _Seen(file)
    pieces = list(reader_named(file.format).pieces(source, file, _PIECE_BYTES))
    seen.expected = sum(size for _, size in pieces)
    kept = 0
    for piece, size in pieces[:1]:
        seen.read = size
        for text in read_documents(source, (piece,)):
            seen.documents += 1
            seen.text_bytes += len(text.encode())
            if kept < _KEPT:
                seen.texts.append(text[:_KEPT])
                kept += len(text)
            if seen.text_bytes > _MOST_READ:  # a part of the piece, and all but text is passed over
                seen.read = seen.text_bytes
                break
    return seen
