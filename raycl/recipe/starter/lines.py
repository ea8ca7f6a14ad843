"""Lines of a commented recipe: a field with its value, and above it why it has this value."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

_WIDTH = 100
_RATE = re.compile(r"[0-9]+\.[0-9]+e[+-]?[0-9]+")
"""A number that raycl's reader knows, and for which PyYAML wants a sign in the exponent."""


def comment(text: str, indent: int = 0) -> list[str]:
    """A comment of one or more lines."""
    start = f"{' ' * indent}# "
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return textwrap.wrap(
        printable,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_long_words=False,
        break_on_hyphens=False,
    )


def line(name: str, value: Any, why: str = "", indent: int = 0) -> list[str]:
    """A field, with the reason for its value above it."""
    written = f"{' ' * indent}{flow(name)}: {flow(value)}"
    return [*(comment(why, indent) if why else []), written]


def header(name: str, why: str = "", indent: int = 0) -> list[str]:
    """A field whose value stands in the lines below it, indented by two."""
    return [*(comment(why, indent) if why else []), f"{' ' * indent}{flow(name)}:"]


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.dump(value, Dumper=_Plain, default_flow_style=True, allow_unicode=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...").removesuffix("...").rstrip("\n")


def text_of(lines: list[str]) -> str:
    """The lines as a file."""
    return "\n".join(lines) + "\n"


class _Plain(yaml.SafeDumper):
    """Keeps the order of fields, and writes rates such as 1.65e-4 without quotes."""

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        pairs = list(mapping.items()) if isinstance(mapping, Mapping) else mapping
        return super().represent_mapping(tag, pairs, flow_style)


def _text(dumper: _Plain, value: str) -> yaml.ScalarNode:
    tag = "tag:yaml.org,2002:float" if _RATE.fullmatch(value) else "tag:yaml.org,2002:str"
    return dumper.represent_scalar(tag, value)


_Plain.add_representer(str, _text)
