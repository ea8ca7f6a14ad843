"""A command that answers the earlier spelling of itself with the present one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from raycl.errors import InputError

RENAMED: Mapping[str, Mapping[str, str]] = {
    "evaluate": {"--recipe": "--label"},
    "extend": {"--recipe": "--label"},
    "report": {"--name": "--sweep"},
    "steps": {"--recipe": "--label"},
}
"""Options that had another name before, by command."""
STORAGE_FIRST = ("extend", "prune", "report", "states", "status", "tasks")
"""Commands whose one argument was the storage; `generate` had it before its others."""
_STATES = ("state", "states")
"""Parameters that are no storage, and yet hold what stands where a storage stood before."""


class Command(TyperCommand):
    """A command of typer; bad usage that is an earlier spelling is answered with the present one.

    A storage stood without `--storage` in some commands, and some options had other names.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as typer does. Raises InputError for an earlier spelling."""
        ctx.meta[__name__] = list(args)
        try:
            return super().parse_args(ctx, list(args))
        except typer.TyperException:
            _refuse_earlier(self, ctx)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Raises InputError, for an earlier spelling with the present one."""
        try:
            return super().invoke(ctx)
        except InputError as error:
            # With RAYCL_STORAGE set, what stood for a storage can be read as a state.
            _refuse_earlier(self, ctx, error.where)
            raise


def _refuse_earlier(command: Command, ctx: typer.Context, about: str = "") -> None:
    """Raise InputError where the words are an earlier spelling of the command.

    `about` is what an error of the command is about: a storage among the words is named there.
    """
    given = ctx.meta[__name__]
    words, reasons = _with_new_options(command, given)
    storage = _misplaced(command, ctx, words)
    if storage is not None and (not about or repr(storage) in about):
        at = words.index(storage)
        words = [*words[:at], *words[at + 1 :], "--storage", storage]
        reasons.append("a storage is named with --storage")
    if reasons:
        names = [str(part.info_name) for part in (ctx.parent, ctx) if part and part.parent]
        written = shlex.join(["raycl", *names, *given])
        remedy = f"Write: {shlex.join(['raycl', *names, *words])}"
        raise InputError(written, "; ".join(reasons), remedy)


def _with_new_options(command: Command, given: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words with present names of options, and a reason for each that had another."""
    words, reasons = [], []
    renamed = RENAMED.get(command.name or "", {})
    for word in given:
        option, equals, value = word.partition("=")
        new = renamed.get(option)
        words.append(f"{new}{equals}{value}" if new else word)
        reasons += [f"{option} is called {new}"] if new else []
    return words, reasons


def _misplaced(command: Command, ctx: typer.Context, words: Sequence[str]) -> str | None:
    """The word that names a storage without `--storage`; None where there is none."""
    if not any(parameter.name == "storage" for parameter in command.params):
        return None
    try:
        values, rest, _ = command.make_parser(ctx).parse_args(list(words))
    except typer.TyperException:
        return None
    if values.get("storage"):
        return None
    for word in _state_words(values):
        if _looks_like_storage(word):
            return word
    if len(rest) == 1 and (command.name in STORAGE_FIRST or _looks_like_storage(rest[0])):
        return rest[0]
    return None


def _state_words(values: Mapping[str, Any]) -> list[str]:
    found = [values.get(name) or [] for name in _STATES]
    return [word for words in found for word in ([words] if isinstance(words, str) else words)]


def _looks_like_storage(word: str) -> bool:
    is_file = word.endswith((".yaml", ".yml"))
    return not is_file and ("://" in word or "/" in word or Path(word).is_dir())
