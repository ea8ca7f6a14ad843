"""The page of all errors that bad input causes, read out of the source that raises them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import raycl

_ERRORS = {"InputError": 1, "FieldError": 0}
"""Each error, and the position of its problem; its remedy follows."""
_UNKNOWN = "…"

_INTRODUCTION = """# Errors and what to do

Whatever bad input raycl finds, it says in one sentence: the place, the problem, and the remedy.
Below are all of them, by room of the source ([Architecture](../architecture.md)), for whoever
searches for a message; `…` is what differs from case to case.
"""


@dataclass(frozen=True, order=True)
class Message:
    """What an error says, with `…` for what is known only when it is raised."""

    problem: str
    remedy: str


def error_reference() -> str:
    """The page as Markdown: a table of problems and remedies for each room."""
    root = Path(raycl.__file__).parent
    rooms: dict[str, set[Message]] = {}
    for file in sorted(root.rglob("*.py")):
        room = file.relative_to(root).parts[0].removesuffix(".py")
        rooms.setdefault(room, set()).update(messages(file.read_text(encoding="utf-8")))
    sections = [_section(room, found) for room, found in sorted(rooms.items()) if found]
    return "\n".join([_INTRODUCTION, *sections])


def messages(source: str) -> Iterator[Message]:
    """The messages of all errors that a module raises and whose words stand in its source."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            known = _texts_of_names(function)
            for node in ast.walk(function):
                if isinstance(node, ast.Call):
                    yield from _message(node, known)


def _message(call: ast.Call, known: dict[str, ast.expr]) -> Iterator[Message]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name not in _ERRORS or len(call.args) <= _ERRORS[name]:
        return
    words = [_text(argument, known) for argument in call.args[_ERRORS[name] :][:2]]
    if words[0].strip(f"{_UNKNOWN} :"):
        yield Message(words[0], words[1] if len(words) > 1 else "")


def _texts_of_names(function: ast.FunctionDef) -> dict[str, ast.expr]:
    """What is assigned to each name in a function, since long messages are."""
    return {
        node.targets[0].id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }


def _text(node: ast.expr, known: dict[str, ast.expr]) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part, known) for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, known) + _text(right, known)
        case ast.Name(id=name) if name in known:
            return _text(known[name], {})
        case _:
            return _UNKNOWN


def _section(room: str, found: set[Message]) -> str:
    rows = [f"| {_cell(one.problem)} | {_cell(one.remedy)} |" for one in sorted(found)]
    return "\n".join([f"## {room}", "", "| problem | remedy |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    escaped = " ".join(text.split())
    for mark in "\\|<>*_[]":
        escaped = escaped.replace(mark, f"\\{mark}")
    return escaped
