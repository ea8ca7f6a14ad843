"""HTML pages as paragraphs, without navigation, by the standard library's parser.

The parser's output is the same everywhere, so the sha256 of a corpus can be compared.
"""

# ruff: noqa: SIM905 -- lists of words read better as words

from __future__ import annotations

import re
from html.parser import HTMLParser

_BLOCK_TAGS = frozenset(
    "address article blockquote body br caption dd details dialog div dl dt fieldset figcaption "
    "figure h1 h2 h3 h4 h5 h6 hr li main ol p pre section summary table tbody td th tr ul".split()
)
_SKIPPED_TAGS = frozenset(
    "aside button footer form head header math nav noscript script select style svg".split()
)
# Navigation of the generators whose pages we read: Drupal, LibreOffice, texi2html, Sphinx.
_SKIPPED_CLASSES = frozenset(
    "book-navigation page-links relatedtopics howtoget nav_table menu contents toc noteicon "
    "iconcell sphinxsidebar headerlink".split()
)
_SKIPPED_IDS = frozenset("footer tocframe highlighting-settings toc".split())
_VOID_TAGS = frozenset("area base br col embed hr img input link meta source track wbr".split())
_SPACE = re.compile(r"\s+")
_EMPTY_CELLS = re.compile(r"(?: \|)+ ")
_CODE = re.compile(r"<pre\b.*?</pre\s*>", re.DOTALL | re.IGNORECASE)

Attributes = list[tuple[str, str | None]]


def html_documents(
    page: str, keep_code: bool = False, split_at: str | None = None
) -> list[list[str]]:
    """The page's paragraphs; one document, or one for each heading `split_at` ("h2")."""
    parser = _Paragraphs(keep_code, split_at)
    # Removing highlighted code before its tags are parsed halves the time.
    parser.feed(page if keep_code else _CODE.sub("", page))
    parser.close()
    parser.end_block()
    return parser.documents


def _running(text: str) -> str:
    """The text on one line, without the empty cells of a table row."""
    return _EMPTY_CELLS.sub(" | ", _SPACE.sub(" ", text)).strip(" |")


class _Paragraphs(HTMLParser):
    """Collects `documents`, each a list of blocks; list items begin with a dash."""

    def __init__(self, keep_code: bool, split_at: str | None) -> None:
        super().__init__(convert_charrefs=True)
        self.documents: list[list[str]] = [[]]
        self._keep_code, self._split_at = keep_code, split_at
        self._pieces: list[str] = []
        self._prefix = ""
        self._skipped: str | None = None  # the tag whose content is being left out,
        self._depth = 0  # and how many of that tag are open
        self._in_row = 0
        self._in_code = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        if self._skipped is not None:
            self._depth += tag == self._skipped
        elif tag not in _VOID_TAGS and self._is_skipped(tag, attrs):
            if tag in _BLOCK_TAGS:
                self.end_block()
            self._skipped, self._depth = tag, 1
        elif tag == "br" and not self._in_code:
            self._pieces.append(" ")
        elif tag in _BLOCK_TAGS:
            self._start_block(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipped is not None:
            self._depth -= tag == self._skipped
            if self._depth == 0:
                self._skipped = None
        elif tag in _BLOCK_TAGS:
            self._finish_block(tag)

    def handle_data(self, data: str) -> None:
        if self._skipped is None:
            self._pieces.append(data)

    def updatepos(self, i: int, j: int) -> int:  # noqa: ARG002
        """Counts no lines: nothing here uses the numbers, and it takes a tenth of the time."""
        return j

    def end_block(self) -> None:
        """Close the paragraph collected so far, if there is any text in it."""
        text = "".join(self._pieces)
        text = text.strip("\n").rstrip() if self._in_code else _running(text)
        self._pieces.clear()
        if any(character.isalnum() for character in text):
            self.documents[-1].append(self._prefix + text)
            self._prefix = ""

    def _is_skipped(self, tag: str, attrs: Attributes) -> bool:
        if tag in _SKIPPED_TAGS or (tag == "pre" and not self._keep_code):
            return True
        values = {name: value or "" for name, value in attrs}
        classes = set(values.get("class", "").split())
        # A hidden <span> is another system's menu path (macOS): both would stand in one sentence.
        return (
            bool(classes & _SKIPPED_CLASSES)
            or values.get("id") in _SKIPPED_IDS
            or ("hidden" in values and bool(classes & {"MAC", "UNIX", "WIN"}))
        )

    def _start_block(self, tag: str) -> None:
        if tag == "tr":
            self.end_block()
            self._in_row += 1
        elif self._in_row and tag in ("td", "th"):
            self._pieces.append(" | ")
        elif self._in_row:
            self._pieces.append(" ")  # a table row is one block: its cells make no sense apart
        else:
            self.end_block()
            self._prefix = "- " if tag == "li" else ("" if tag != "p" else self._prefix)
            self._in_code = tag == "pre"
        if tag == self._split_at and self.documents[-1]:
            self.documents.append([])

    def _finish_block(self, tag: str) -> None:
        if tag in ("tr", "table"):
            self._in_row = max(0, self._in_row - 1) if tag == "tr" else 0
        if not self._in_row:
            self.end_block()
            self._in_code = False
            if tag == "li":
                self._prefix = ""
