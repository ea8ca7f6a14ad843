"""What a reader of a format does, and which readers there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from typing_extensions import override

from raycl.data.prepare.readers.bad_record import BadRecord
from raycl.data.prepare.readers.compression import expected_bytes
from raycl.data.prepare.source import InputFile, Piece, TextSource, TokenDocument
from raycl.errors import InputError

TYPICAL_BYTES_PER_TOKEN = 4
"""Of text; it only decides the number of shards."""


class Reader(ABC):
    """Cuts files of one format into pieces and reads the documents of a piece.

    Every document belongs to exactly one piece, however a file is cut.
    """

    name: ClassVar[str]
    """The format's name, as in `format` of a TextSource and in manifests."""
    suffixes: ClassVar[tuple[str, ...]]
    """Suffixes of the format's files, such as `.jsonl`, without the suffix of a compression."""
    reads_compressed: ClassVar[bool] = True
    """Whether its files may be compressed as a whole."""

    def files(self, word: str) -> tuple[str, ...]:
        """The files or patterns that a word of the recipe stands for."""
        return (word,)

    def pieces(
        self,
        source: TextSource,  # noqa: ARG002
        file: InputFile,
        unit_bytes: int,  # noqa: ARG002
    ) -> Iterator[tuple[Piece, int]]:
        """Pieces of about `unit_bytes` of text, each with the bytes of text to expect in it.

        Unless a reader knows better, a file is one piece. Raises InputError where the file does not
        hold what the source says.
        """
        yield Piece(file, 0, file.size), expected_bytes(file)

    @abstractmethod
    def documents(self, source: TextSource, piece: Piece) -> Iterator[str | BadRecord]:
        """Every document of a piece, blank ones too, and a BadRecord for each that is not text.

        A BadRecord is an error unless the corpus passes such records over. Raises InputError,
        OSError and pyarrow's errors where the file cannot be read.
        """


class TokenReader(Reader):
    """Reads documents that are tokens already, of the tokenizer that the recipe names."""

    @abstractmethod
    def tokens(self, piece: Piece) -> Iterator[TokenDocument]:
        """Every document of a piece, empty ones too. Raises InputError where it is damaged."""

    @override
    def documents(self, source: TextSource, piece: Piece) -> Iterator[str]:
        """Raises InputError: text is needed, and there is none."""
        raise InputError(
            piece.file.url,
            "it holds tokens, where text is needed",
            "Name a corpus that is text, or give the tokenizer instead of training one",
        )


READERS: dict[str, Reader] = {}
"""Name -> reader."""


def register(reader: Reader) -> None:
    """Add a reader. ValueError where its name or one of its suffixes is taken."""
    taken = {suffix for known in READERS.values() for suffix in known.suffixes}
    if reader.name in (*READERS, "auto") or taken.intersection(reader.suffixes):
        raise ValueError(f"two readers for {reader.name!r} or one of {reader.suffixes}")
    READERS[reader.name] = reader


def reader_for_suffix(suffix: str) -> Reader | None:
    """The reader of files with this suffix; None where there is none."""
    return next((reader for reader in READERS.values() if suffix in reader.suffixes), None)


def reader_named(name: str) -> Reader:
    """The reader with this name. Raises InputError."""
    if name not in READERS:
        raise InputError(
            f"format {name!r}", "there is no such format", f"Use auto, {', '.join(READERS)}"
        )
    return READERS[name]
