"""Reads the beginning of a corpus before a cluster starts: bad text costs no cluster time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import plan_units
from raycl.data.prepare.source import InputFile, TextSource
from raycl.data.prepare.unwritten import Unwritten, check_unwritten
from raycl.data.tokenizer import TextTokenizer
from raycl.errors import InputError

SAMPLED_FILES = 16
SAMPLE_BYTES = 2**20
"""Of text, read from each sampled file; a small corpus is so read as a whole."""
_ENCODED_CHARACTERS = 2**18


@dataclass(frozen=True)
class Sample:
    """The beginning of a corpus."""

    texts: list[str]
    """Documents from its sampled files, few enough to be encoded at once."""
    text_bytes: int
    """Bytes of text to expect in the whole corpus."""


def read_sample(source: TextSource, files: list[InputFile]) -> Sample:
    """Read the beginning of some of the files, spread over all of them.

    Raises InputError that names the file and the line where a document cannot be read, and where
    the files were read as a whole and hold no document.
    """
    sampled = _spread(files, SAMPLED_FILES)
    texts: list[str] = []
    kept, whole = 0, len(sampled) == len(files)
    for file in sampled:
        size = 0
        for text in _documents(source, file):
            size += len(text)
            if not texts or kept + len(text) <= _ENCODED_CHARACTERS:
                texts.append(text[:_ENCODED_CHARACTERS])
                kept += len(texts[-1])
            if size >= SAMPLE_BYTES:
                whole = False
                break
    if whole and not texts:
        names = ", ".join(file.url for file in files[:3])
        raise InputError(names, "there is no document in it", "Give files that hold text")
    return Sample(texts, plan_units(source, files, SAMPLE_BYTES)[1])


def check_sample_written(
    corpus: str, sample: Sample, tokenizer: TextTokenizer, allowed: Fraction
) -> None:
    """Raise InputError where the tokenizer certainly cannot write too much of a corpus.

    What is lost in the sample alone then is more than the share `allowed` of the whole text.
    """
    encoded = list(tokenizer.encode_batch(sample.texts, "uint32"))
    read = sum(len(text.encode()) for text in sample.texts)
    lost = Unwritten(
        documents=sum(1 for piece in encoded if piece.lost),
        bytes=sum(piece.lost for piece in encoded),
        of_bytes=max(sample.text_bytes, read),
        example=next((piece.example for piece in encoded if piece.example), ""),
    )
    check_unwritten(corpus, lost, allowed)


def _documents(source: TextSource, file: InputFile) -> Iterator[str]:
    units, _ = plan_units(source, [file], SAMPLE_BYTES)
    for unit in units:
        yield from read_documents(source, unit)


def _spread(files: list[InputFile], count: int) -> list[InputFile]:
    """At most `count` of the files, at equal distances, the first and the last among them."""
    if len(files) <= count:
        return files
    return [files[place * (len(files) - 1) // (count - 1)] for place in range(count)]
