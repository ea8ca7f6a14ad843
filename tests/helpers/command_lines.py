"""Lines of `raycl …` in help texts, documents and messages, checked against the real commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import typer

from raycl.cli.main import app

ROOT_COMMAND: Any = typer.main.get_command(app)
_PLACEHOLDER = re.compile(r"…|\.\.\.")


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its words, such as `jobs list`; groups too."""
    for name, command in ROOT_COMMAND.commands.items():
        yield name, command
        for below, each in getattr(command, "commands", {}).items():
            yield f"{name} {below}", each


COMMANDS = dict(commands())
OPTIONS = {o for c in COMMANDS.values() for p in c.params for o in (*p.opts, *p.secondary_opts)}


def parse(line: str) -> None:
    """Parse `raycl …` as a shell and typer would, and run nothing. Raises where it is bad usage."""
    words = shlex.split(re.split(r" [<>|] ?", line.replace("\\\n", " "))[0], comments=True)
    assert words.pop(0) == "raycl", line
    context = ROOT_COMMAND.make_context("raycl", words[:1], resilient_parsing=True)
    command = ROOT_COMMAND
    while hasattr(command, "commands"):
        if command.invoke_without_command and words[0].startswith("-"):
            command.make_context("group", words, parent=context)
            return
        name = words.pop(0)
        assert name in command.commands, f"no command {name!r}: {line}"
        command = command.commands[name]
        parse_rest = not hasattr(command, "commands")
        context = command.make_context(
            name, words if parse_rest else [], parent=context, resilient_parsing=not parse_rest
        )


def problem(line: str) -> str | None:
    """What is wrong with a `raycl …` that may be shown in part, such as its first two words."""
    try:
        words = shlex.split(line, comments=True)[1:]
    except ValueError:  # a quotation mark that ends outside of what was found
        words = line.split()[1:]
    if not words or _PLACEHOLDER.match(words[0]):
        return None
    name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
    if name.startswith("-"):
        return None if name in ("--help", "--version", "--install-completion") else f"no {name}"
    if name not in COMMANDS:
        return f"no command {name!r}"
    group = getattr(COMMANDS[name], "commands", {})
    known = {o for c in (COMMANDS[name], *group.values()) for p in c.params for o in p.opts}
    known |= {o for p in COMMANDS[name].params for o in p.secondary_opts} | {"--help"}
    unknown = {word.partition("=")[0] for word in words if re.match(r"--[a-z]", word)} - known
    return f"`raycl {name}` has no {', '.join(sorted(unknown))}" if unknown else None
