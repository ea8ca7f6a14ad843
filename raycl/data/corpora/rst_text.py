"""reStructuredText as paragraphs: markup removed, the names of directives put into words."""

# ruff: noqa: SIM905 -- lists of words read better as words

from __future__ import annotations

import re
from collections.abc import Iterator

_DIRECTIVE = re.compile(r"^(?P<indent>\s*)\.\.(?:\s+(?P<rest>.*))?$")
_DIRECTIVE_NAME = re.compile(
    r"^(?:\|[^|]+\|\s+)?(?P<name>[\w:+.-]+?)\s*::(?:\s+(?P<argument>.*))?$"
)
_OPTION = re.compile(r"^\s+:[\w-]+:(\s|$)")
_ROLE = re.compile(r":(?P<role>[A-Za-z][\w:+.-]*):`[~!]?(?P<text>[^`]+)`")
_LINK = re.compile(r"(?<!`)`([^`<>]+?)\s*(?:<[^>]*>)?`__?(?!\w)")
_FOOTNOTE = re.compile(r"\s?\[(?:#\w*|\*|\d+)\]_")
_TARGET = re.compile(r"\s*<[^<>]+>$")
_RULE = re.compile(r"^\s*(?:([=\-~^\"'#*+.:_`])\1{2,}|[=\s]{3,}|[+\-=|\s]{4,})\s*$")
_SPOKEN = {
    "versionadded": "New in version {}",
    "versionchanged": "Changed in version {}",
    "deprecated": "Deprecated since version {}",
    "deprecated-removed": "Deprecated since version {}",
    "availability": "Availability: {}",
    "class": "class {}",
    "exception": "exception {}",
    "seealso": "See also: {}",
}
_ADMONITIONS = frozenset("note warning tip important caution danger attention hint".split())
# What remains are descriptions and code samples. Of these here, neither line nor body is prose.
_DROPPED = frozenset(
    "index toctree only include literalinclude figure image kernel-figure kernel-image "
    "kernel-render kernel-doc kernel-feat kernel-abi kernel-include highlight module moduleauthor "
    "sectionauthor currentmodule contents sectnum tabularcolumns meta raw audit-event testsetup "
    "cssclass default-domain role c:namespace py:module py:currentmodule miscnews "
    "audit-event-table class-index".split()
)


def rst_blocks(text: str) -> list[str]:
    """The paragraphs, descriptions and code of reStructuredText, without its markup."""
    lines = _spoken_lines(text.expandtabs(8).split("\n"))
    text = "\n".join("" if not line.strip() else line for line in lines if not _RULE.match(line))
    blocks = (_plain(block) for block in re.split(r"\n\n+", text))
    return [block for block in blocks if any(map(str.isalnum, block))]


def _spoken_lines(lines: list[str]) -> Iterator[str]:
    """The lines without comments, targets and dropped directives; others become words."""
    hidden_above: int | None = None  # lines indented deeper than this belong to something dropped
    after_directive = False
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if line.strip() and hidden_above is not None and indent <= hidden_above:
            hidden_above = None
        if hidden_above is not None or (after_directive and _OPTION.match(line)):
            continue
        after_directive = False
        directive = _DIRECTIVE.match(line)
        if directive is None:
            yield line
            continue
        spoken = _spoken_directive(directive["rest"] or "")
        if spoken is None:
            hidden_above = indent
            continue
        after_directive = True
        yield directive["indent"] + spoken


def _spoken_directive(rest: str) -> str | None:
    """The words that replace a directive; None where it and its body are left out."""
    match = _DIRECTIVE_NAME.match(rest)
    if match is None or match["name"] in _DROPPED or rest.startswith("|"):
        return None  # a comment, a link target, a footnote, a substitution
    name, argument = match["name"], match["argument"] or ""
    if name in _ADMONITIONS:
        return f"{name.capitalize()}: {argument}".rstrip()
    if name == "deprecated-removed":
        argument = argument.replace(" ", ", removed in version ", 1)
    if name in _SPOKEN:
        return _SPOKEN[name].format(argument).rstrip(": ")
    return "" if name.endswith(("code-block", "parsed-literal", "table")) else argument


def _plain(block: str) -> str:
    """The block without roles, links and the colons that announce a code sample."""
    block = _ROLE.sub(_role_text, block)
    block = _LINK.sub(r"\1", _FOOTNOTE.sub("", block)).replace("``", "`")
    block = re.sub(r"(^|\s)::$", "", re.sub(r"(\S)::$", r"\1:", block))
    return block.strip("\n").rstrip()


def _role_text(match: re.Match[str]) -> str:
    text = _TARGET.sub("", match["text"])
    numbered = match["role"] in ("pep", "rfc") and text[:1].isdigit()
    return f"{match['role'].upper()} {text}" if numbered else text
