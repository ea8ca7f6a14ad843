"""Whether a written `raycl …` is a command line that raycl takes, without running it."""

from __future__ import annotations

import shlex
from typing import Any

import typer.main

from raycl.cli.main import app


def refusal(line: str) -> str:
    """What raycl says against the words of `raycl …`; empty where it takes them."""
    words = _until_operator(shlex.split(line))
    command: Any = typer.main.get_command(app)
    name = words.pop(0)
    while hasattr(command, "commands"):
        if not words or words[0] not in command.commands:
            return "" if words in (["--help"], ["--version"]) else f"{line}: no such command"
        name = words.pop(0)
        command = command.commands[name]
    if words in (["--help"], []) and not any(one.required for one in command.params):
        return ""
    try:
        command.make_context(name, words)
    except Exception as error:  # typer's own errors have no common public class
        return f"{line}: {error}"
    return ""


def _until_operator(words: list[str]) -> list[str]:
    """The words of the first command of a line of a shell."""
    ends = [index for index, word in enumerate(words) if word in ("|", ">", ">>", "&&", "&", "<")]
    return words[: ends[0]] if ends else words
