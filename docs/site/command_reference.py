"""The page of all commands and options, made from the command line itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main
from typer.core import TyperArgument

from raycl.cli.main import app

_INTRODUCTION = """# Command reference

Made from the command line itself; `raycl COMMAND --help` says the same. Exit codes: 0 done, 1
something failed, 2 bad usage or input, 130 interrupted.
"""

# Typer brings the parser that it uses with it, under a name that is private: hence `Any`.
_Command = Any
_Parameter = Any


def command_reference() -> str:
    """The page as Markdown: a section for each command, in the order of `raycl --help`."""
    commands = _commands("raycl", typer.main.get_command(app))
    return "\n".join([_INTRODUCTION, *(_section(name, command) for name, command in commands)])


def _commands(name: str, command: _Command) -> Iterator[tuple[str, _Command]]:
    """(name as typed, command) of all that do something; most groups do nothing themselves."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    if command.invoke_without_command:  # a group that does something by itself
        yield name, command
    for word, part in command.commands.items():
        if not part.hidden:
            yield from _commands(f"{name} {word}", part)


def _section(name: str, command: _Command) -> str:
    context = command.context_class(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    lines = [f"## {name}", "", _help(command), "", "```text", usage, "```", ""]
    rows = [_row(parameter) for parameter in command.params if _is_shown(parameter)]
    if rows:
        lines += ["| | meaning | default |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _help(command: _Command) -> str:
    """The command's own text, without the marks by which typer keeps paragraphs as they are."""
    return (command.help or "").replace("\b\n", "").replace("\f", "").strip()


def _is_shown(parameter: _Parameter) -> bool:
    return not getattr(parameter, "hidden", False) and parameter.name != "help"


def _row(parameter: _Parameter) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    if isinstance(parameter, TyperArgument):
        names = [parameter.metavar or parameter.name.upper()]
    shown = ", ".join(f"`{name}`" for name in names)
    meaning = " ".join((getattr(parameter, "help", None) or "").split()).replace("|", "\\|")
    needed = " **Needed.**" if parameter.required else ""
    return f"| {shown} | {meaning}{needed} | {_default(parameter)} |"


def _default(parameter: _Parameter) -> str:
    default = parameter.default
    if default in (None, False, (), []) or callable(default):
        return ""
    return f"`{getattr(default, 'value', default)}`"
