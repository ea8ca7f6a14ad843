"""Text as somebody names it for a first recipe: files, folders, patterns, or a name to fetch."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raycl.data.corpora import names
from raycl.data.fields import text_fields
from raycl.data.look import Look, look
from raycl.data.prepare.inputs import find_files
from raycl.data.prepare.source import TextSource
from raycl.data.tokenizer.text_tokenizer import TextTokenizer
from raycl.errors import InputError
from raycl.models.read import is_there
from raycl.recipe.schema import LATER
from raycl.recipe.starter.answers import TextAnswer
from raycl.recipe.yaml import parse_document
from raycl.units import format_bytes, format_count

NONE = "none"
"""The answer for no old text."""
_FETCHED_BYTES, _FETCHED_DOCUMENTS = 10_000_000, 1000
"""Of a corpus that raycl fetches, about."""
_FEW_FILES = 100
_PARAGRAPH = "\n\n"
_LONGEST_NAME = 40


@dataclass(frozen=True)
class SeenText:
    """Text that is there, with its fields that could be the text of documents."""

    given: tuple[str, ...]
    fetch: str | None = None
    fields: tuple[str, ...] = ()
    """Of JSON or Parquet, the longest first."""

    @property
    def written(self) -> str:
        """As one answer."""
        return self.fetch or shlex.join(self.given)


def see_text(given: str | Sequence[str]) -> SeenText:
    """The text that answers mean: each a file, a folder or a pattern; or one name to fetch.

    One answer may hold several, divided by spaces as in a shell. Raises InputError where there is
    none.
    """
    parts = _parts(given) if isinstance(given, str) else list(given)
    if not parts:
        raise InputError("''", "nothing is named", "Give files, folders or patterns")
    name = parts[0].removeprefix("fetch:")
    if len(parts) == 1 and name in names() and (name != parts[0] or not is_there(Path(name))):
        return SeenText((), name)
    if missing := [part for part in parts if part in names() and not is_there(Path(part))]:
        problem = f"{missing[0]!r} is fetched, and stands beside other text"
        raise InputError(shlex.join(parts), problem, "Give it alone, or fetch it: `raycl fetch`")
    files = find_files(TextSource(tuple(parts)))
    return SeenText(tuple(parts), None, text_fields(files))


def _parts(answer: str) -> list[str]:
    if is_there(Path(answer).expanduser()):
        return [answer]
    try:
        return shlex.split(answer)
    except ValueError as error:
        raise InputError(repr(answer), f"{error}", "Close the quotation") from error


@dataclass(frozen=True)
class LookedAt:
    """Text that was looked at, as a corpus of a recipe."""

    fields: dict[str, Any]
    bytes: int
    documents: int
    files: int
    look: Look | None


def look_at(text: SeenText, field: str | None) -> LookedAt:
    """How much text there is. Plain text in few files is divided at empty lines.

    Raises InputError where something cannot be read.
    """
    if text.fetch is not None:
        return LookedAt({"fetch": text.fetch}, _FETCHED_BYTES, _FETCHED_DOCUMENTS, 0, None)
    fields: dict[str, Any] = {"text": list(text.given)}
    if field is not None and field != "text":
        fields["text_field"] = field
    seen = look(TextSource(text.given, fields.get("text_field", "text")))
    if seen.plain and seen.documents < _FEW_FILES and _has_paragraphs(seen):
        fields["document_separator"] = _PARAGRAPH
        seen = look(TextSource(text.given, document_separator=_PARAGRAPH))
    return LookedAt(fields, seen.bytes, seen.documents, seen.files, seen)


def _has_paragraphs(seen: Look) -> bool:
    return any(_PARAGRAPH in text.strip() for text in seen.sample)


def text_answer(
    text: SeenText,
    looked: LookedAt,
    tokenizer: TextTokenizer | float,
    taken: Collection[str],
) -> TextAnswer:
    """The corpus of a recipe, under a name that is not `taken`.

    `tokenizer` counts its tokens, or is the number of bytes for each where none is there yet.
    """
    per_token = tokenizer if isinstance(tokenizer, float) else _usual_bytes(tokenizer, looked)
    tokens = int(looked.bytes / per_token)
    size = f"{format_bytes(looked.bytes)}, about {format_count(tokens)} tokens"
    files = f"{looked.files:,} files, " if looked.files > 1 else ""
    documents = f"about {looked.documents:,} documents" if looked.documents != 1 else "one document"
    about = f"{files}{size} in {documents}"
    if text.fetch is not None:
        about = f"`raycl fetch {text.fetch}`, about {size}"
    elif "document_separator" in looked.fields:
        about += " (what stands between empty lines)"
    return TextAnswer(corpus_name(text, taken), looked.fields, tokens, looked.documents, about)


_UNSEEN_BYTES = 4.0
"""For each token, of text that is not here yet."""


def _usual_bytes(tokenizer: TextTokenizer, looked: LookedAt) -> float:
    if looked.look is None:
        return _UNSEEN_BYTES
    return looked.look.bytes_per_token(lambda text: len(tokenizer.encode(text)))


def corpus_name(text: SeenText, taken: Collection[str]) -> str:
    """A name from the text's own: it becomes that of a corpus, a stage and columns of results."""
    name = _plain_name(text.fetch or _stem(text.given[0]))
    number, free = 2, name
    while free.casefold() in {other.casefold() for other in taken}:
        number, free = number + 1, f"{name}-{number}"
    return free


def _stem(path: str) -> str:
    """The last part of a path that is no pattern, without its suffixes."""
    parts = [part for part in path.split("/") if part and not re.search(r"[*?\[\]:]", part)]
    last = parts[-1] if parts else "text"
    return last.partition(".")[0] if last.strip(".") else Path.cwd().name


def _plain_name(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_LONGEST_NAME].strip("-")
    if not plain[:1].isalpha():
        plain = f"text-{plain}".strip("-")
    # `no` and `on` are no names in YAML, and `later` means every stage but the first.
    is_text = isinstance(parse_document(plain, plain).data, str)
    return plain if is_text and plain != LATER else f"text-{plain}"
