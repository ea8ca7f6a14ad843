"""Reads the beginning of a corpus before a cluster starts: bad text costs no cluster time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from raycl.data.prepare.documents import read_documents
from raycl.data.prepare.inputs import plan_units
from raycl.data.prepare.passed_over import Tally
from raycl.data.prepare.source import InputFile, TextSource
from raycl.data.prepare.unwritten import Unwritten, check_unwritten
from raycl.data.tokenizer import TextTokenizer
from raycl.errors import InputError

SAMPLED_FILES = 16
SAMPLE_BYTES = 2**20
"""Of text, read from each sampled file; a small corpus is so read as a whole."""
_ENCODED_CHARACTERS = 2**18
_MOST_UNPACKED = 20
"""Text rarely shrinks by more than this when it is compressed, as it is in Parquet."""


@dataclass(frozen=True)
class Sample:
    """The beginning of a corpus."""

    texts: list[str]
    """Documents from its sampled files, few enough to be encoded at once."""
    text_bytes: int
    """Bytes of text in the whole corpus; an upper bound where `texts` is only a part of it."""


def read_sample(source: TextSource, files: list[InputFile]) -> Sample:
    """Read the beginning of some of the files, spread over all of them.

    Raises InputError that names the file and the line where a document cannot be read, and where
    the files were read as a whole and hold no document.
    """
    sampled = spread(files, SAMPLED_FILES)
    texts: list[str] = []
    tally = Tally()
    kept, whole = 0, len(sampled) == len(files)
    for file in sampled:
        size = 0
        for text in _documents(source, file, tally):
            size += len(text)
            if kept + len(text) <= _ENCODED_CHARACTERS:
                texts.append(text)
                kept += len(text)
            else:
                whole = False
            if size >= SAMPLE_BYTES:
                whole = False
                break
    if whole and not texts:
        names = ", ".join(file.url for file in files[:3])
        problem, counted = "there is no document in it", tally.counted()
        if counted.records:
            first = counted.first[0]
            problem += (
                f": {counted.records:,} records cannot be read, such as {first.place}: "
                f"{first.problem}"
            )
        raise InputError(names, problem, "Give files that hold text")
    read = sum(len(text.encode()) for text in texts)
    # From sizes alone: to open every file of a large corpus would take minutes.
    return Sample(texts, read if whole else sum(map(_most_text_bytes, files)))


def check_sample_written(
    corpus: str, sample: Sample, tokenizer: TextTokenizer, allowed: Fraction
) -> None:
    """Raise InputError where the tokenizer certainly cannot write too much of a corpus.

    What is lost in the sample alone then is more than the share `allowed` of the whole text.
    """
    encoded = tokenizer.encode_batch(sample.texts, "uint32")
    lost = Unwritten(
        documents=int(np.count_nonzero(encoded.lost)),
        bytes=int(encoded.lost.sum()),
        of_bytes=sample.text_bytes,
        example=encoded.example,
    )
    check_unwritten(corpus, lost, allowed)


def _documents(source: TextSource, file: InputFile, tally: Tally) -> Iterator[str]:
    units, _ = plan_units(source, [file], SAMPLE_BYTES)
    for unit in units:
        yield from read_documents(source, unit, tally)


def _most_text_bytes(file: InputFile) -> int:
    packed = file.compression is not None or file.format == "parquet"
    return file.size * (_MOST_UNPACKED if packed else 1)


def spread(files: list[InputFile], count: int) -> list[InputFile]:
    """At most `count` of the files, at equal distances, the first and the last among them."""
    if len(files) <= count:
        return files
    return [files[place * (len(files) - 1) // (count - 1)] for place in range(count)]
