"""Chooses the blocks that become text: those in the wanted language, each of them once."""

# ruff: noqa: SIM905 -- lists of words read better as words

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from raycl.data.corpora.catalogue import Language
from raycl.data.corpora.extract import Document

SHORT_BLOCK = 40
"""Characters. Shorter blocks, such as headings, show neither their language nor that they are
copies."""
SHORTEST_DOCUMENT = 200
"""Characters in blocks that are not short."""

_WORD = re.compile(r"[^\W\d_]+")
_GERMAN = frozenset(
    "der die das und ist nicht ein eine einen einem eines den dem des zu mit sich auf für von im "
    "sie wird werden auch als wenn oder kann es ich aus bei dass daß um nur wie zur zum hat sind "
    "über nach man noch durch einer dieser diese dieses können ihre wir er aber mein".split()
)
_ENGLISH = frozenset(
    "the and of to is a that it for with as be on are this by or from at can not which if you we "
    "an have has will your when all but they there their its should may use used".split()
)


@dataclass(frozen=True)
class Selection:
    """The JSONL of a corpus, with what its description needs."""

    data: bytes
    documents: int
    text_bytes: int

    @property
    def sha256(self) -> str:
        """The checksum of the file that holds `data`."""
        return hashlib.sha256(self.data).hexdigest()


def select(documents: Iterable[tuple[str, Document]], language: Language | None) -> Selection:
    """One JSON line for each document that has enough text left, in the order given."""
    lines, text_bytes = [], 0
    for source, text in _new_texts(documents, language):
        text_bytes += len(text.encode())
        lines.append(json.dumps({"text": text, "source": source}, ensure_ascii=False) + "\n")
    return Selection("".join(lines).encode(), len(lines), text_bytes)


def is_mostly_english(block: str) -> bool:
    """Whether a block in a German document was left untranslated."""
    words = [word.lower() for word in _WORD.findall(block)]
    english = sum(word in _ENGLISH for word in words)
    return english > sum(word in _GERMAN for word in words)


def _new_texts(
    documents: Iterable[tuple[str, Document]], language: Language | None
) -> Iterator[tuple[str, str]]:
    seen: set[bytes] = set()
    for source, blocks in documents:
        kept = [block for block in blocks if _is_wanted(block, language) and _is_new(block, seen)]
        kept = _without_empty_headings(kept)
        if sum(len(block) for block in kept if len(block) >= SHORT_BLOCK) >= SHORTEST_DOCUMENT:
            yield source, _joined(kept)


def _is_wanted(block: str, language: Language | None) -> bool:
    return language != "german" or len(block) < SHORT_BLOCK or not is_mostly_english(block)


def _is_new(block: str, seen: set[bytes]) -> bool:
    if len(block) < SHORT_BLOCK:
        return True
    key = hashlib.blake2b(" ".join(block.split()).encode(), digest_size=12).digest()
    if key in seen:
        return False
    seen.add(key)
    return True


def _without_empty_headings(blocks: Document) -> Document:
    """The blocks without short ones at the end, whose text was dropped or on another page."""
    end = len(blocks)
    while end and len(blocks[end - 1]) < SHORT_BLOCK:
        end -= 1
    return blocks[:end]


def _joined(blocks: Document) -> str:
    """The blocks as one text: an empty line between paragraphs, none between list items."""
    text = blocks[0]
    for previous, block in pairwise(blocks):
        in_list = previous.startswith("- ") and block.startswith("- ")
        text += ("\n" if in_list else "\n\n") + block
    return text
