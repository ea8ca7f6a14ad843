"""Single values of YAML: read where they mean one thing only, and explained where they do not."""

from __future__ import annotations

import math
import re
from typing import Any

from yaml.constructor import SafeConstructor
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from raycl.errors import FieldError

_TAG = "tag:yaml.org,2002:"
TEXT = f"{_TAG}str"
_KINDS = {
    f"{_TAG}bool": "true or false",
    f"{_TAG}int": "a number",
    f"{_TAG}float": "a number",
    f"{_TAG}null": "nothing",
    f"{_TAG}timestamp": "a date",
    f"{_TAG}value": "a value by default",
    TEXT: "text",
}
_LONGEST_NUMBER = 100
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")


def kind_of(tag: str) -> str:
    """What YAML takes a value with this tag for, in words."""
    return _KINDS.get(tag, tag.removeprefix(_TAG))


def scalar_value(node: ScalarNode) -> Any:
    """The text, number, truth value or None of a node.

    Raises FieldError for dates, for numbers that are not decimal (in YAML 0100 is 64 and 1:30 is
    90), for infinity and NaN, and for a value that does not fit its own tag.
    """
    tag, written = node.tag, node.value
    if tag == TEXT:
        return _text(written)
    _check_tag(tag, written)
    if tag == f"{_TAG}int":
        return _whole(written)
    if tag == f"{_TAG}float":
        return _real(written)
    if tag == f"{_TAG}bool":
        return SafeConstructor.bool_values[written.lower()]
    if tag == f"{_TAG}null":
        return None
    raise FieldError(f"YAML reads {written} as {kind_of(tag)}", f"Quote it: '{written}'")


def _check_tag(tag: str, written: str) -> None:
    """Raise FieldError for a tag that is not the one which the value has without it."""
    if tag not in _KINDS:
        name = tag.replace(_TAG, "!!")
        raise FieldError(f"the YAML tag {name} has no meaning here", "Leave it out")
    implicit = Resolver().resolve(ScalarNode, written, (True, False))  # type: ignore[no-untyped-call]
    if tag != implicit:
        name = tag.removeprefix(_TAG)
        raise FieldError(f"!!{name} does not fit {_cut(written)!r}", "Leave the tag out")


def _text(written: str) -> str:
    for character in written:
        if character == "\0" or "\ud800" <= character <= "\udfff":
            problem = f"text with the character U+{ord(character):04X}, which no file can hold"
            raise FieldError(problem, "Remove it")
    return written


def _whole(written: str) -> int:
    if len(written) > _LONGEST_NUMBER:
        raise FieldError(f"a number of {len(written):,} digits", "Write a number below 1e100")
    if _DECIMAL.fullmatch(written):
        return int(written.replace("_", ""))
    value = _read_as(SafeConstructor.construct_yaml_int, written)
    if value is None:
        raise FieldError(f"YAML cannot make a number of {written}", "Write it in decimals")
    remedy = "Write a decimal number without 0 in front; quote it where text is meant"
    raise FieldError(f"YAML reads {written} as {value}", f"{remedy}: '{written}'")


def _real(written: str) -> float:
    if len(written) > _LONGEST_NUMBER:
        raise FieldError(f"a number of {len(written):,} digits", "Write a number below 1e100")
    value = _read_as(SafeConstructor.construct_yaml_float, written)
    if value is None or not math.isfinite(value) or ":" in written:
        what = "nothing" if value is None else f"{value:g}"
        remedy = f"Write a decimal number, or quote it where text is meant: '{written}'"
        raise FieldError(f"YAML reads {written} as {what}", remedy)
    return float(value)


def _read_as(construct: Any, written: str) -> Any:
    """The value that PyYAML makes of a number's text; None where it makes none."""
    try:
        return construct(SafeConstructor(), ScalarNode("", written))
    except (ValueError, IndexError, OverflowError):
        return None


def _cut(written: str) -> str:
    return written if len(written) <= _LONGEST_NUMBER else f"{written[:_LONGEST_NUMBER]}…"
