"""Files as documents: each kind of file becomes lists of blocks (paragraphs) of plain text."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from raycl.data.corpora.catalogue import Source
from raycl.data.corpora.gcide_text import dictionary_entries
from raycl.data.corpora.html_text import html_documents
from raycl.data.corpora.rst_text import rst_blocks

SAYINGS_PER_DOCUMENT = 30
ENTRIES_PER_DOCUMENT = 40

Document = list[str]

# Control characters, Windows quotation marks in text that was read as Latin-1, spaces of no width.
_ODD = re.compile("[\x00-\x07\x0b-\x1f\x7f-\xa0\xad\u200b\ufeff]")
_STAND_INS = {"\x0c": "\n", "\xa0": " ", "\x85": "…", "\x91": "‘", "\x92": "’", "\x93": "“"}
_STAND_INS |= {"\x94": "”", "\x96": "–", "\x97": "—"}


def source_documents(source: Source, folder: Path, package: str) -> Iterator[tuple[str, Document]]:
    """(where it stands, blocks) of each document of a package unpacked in `folder`."""
    for root in sorted(folder.glob(source.path)):
        for file in _chosen_files(source, root):
            inside = file.relative_to(root).as_posix() if file != root else root.name
            documents = file_documents(source, read_text(file))
            for number, document in enumerate(documents):
                part = f"#{number}" if len(documents) > 1 else ""
                yield f"{package}/{inside}{part}", document


def file_documents(source: Source, text: str) -> list[Document]:
    """The documents in the text of one file."""
    match source.kind:
        case "html":
            return html_documents(text, source.keep_code, source.split_at)
        case "rst":
            return [rst_blocks(text)]
        case "fortune":
            return _grouped(fortune_sayings(text), SAYINGS_PER_DOCUMENT)
        case "dictionary":
            return _grouped(dictionary_entries(text), ENTRIES_PER_DOCUMENT)
        case "text":
            return [text_blocks(text)]


def read_text(file: Path) -> str:
    """The file's text, unpacked where it is gzipped, in Latin-1 where it is not UTF-8."""
    data = file.read_bytes()
    if file.suffix in (".gz", ".dz"):
        data = gzip.decompress(data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return _ODD.sub(lambda match: _STAND_INS.get(match[0], ""), text.replace("\r\n", "\n"))


def _chosen_files(source: Source, root: Path) -> list[Path]:
    if root.is_file():
        return [root]
    # Links would bring the same text twice, and could lead out of the package.
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return [path for path in files if _is_chosen(source, path.relative_to(root))]


def _is_chosen(source: Source, path: Path) -> bool:
    def matches(pattern: str) -> bool:
        return fnmatchcase(path.name, pattern) or fnmatchcase(path.as_posix(), pattern)

    return any(map(matches, source.include)) and not any(map(matches, source.exclude))


def _grouped(blocks: list[str], size: int) -> list[Document]:
    return [blocks[start : start + size] for start in range(0, len(blocks), size)]


def text_blocks(text: str) -> Document:
    """The parts between empty lines, unchanged, so that program code keeps its indentation."""
    blocks = re.split(r"\n(?:[ \t]*\n)+", text)
    return [block.rstrip() for block in blocks if block.strip()]


def fortune_sayings(text: str) -> list[str]:
    """The sayings of a fortune file, which lie between lines of a single %."""
    sayings = (part.strip("\n").expandtabs(4).rstrip() for part in re.split(r"\n%+\n", f"\n{text}"))
    # Some sayings underline by overprinting.
    return [re.sub(r".?\x08", "", saying) for saying in sayings if saying]
