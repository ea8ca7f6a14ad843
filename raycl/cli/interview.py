"""Asks questions in a terminal, checks each answer at once, and never asks where nobody is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import typer

from raycl.errors import InputError, within

T = TypeVar("T")


@dataclass(frozen=True)
class Question(Generic[T]):
    """A question, which an option of the command answers too."""

    flag: str
    text: str
    why: str
    """One line that explains what is asked and what may be answered."""
    check: Callable[[str], T]
    """The value of an answer. Raises InputError where it is none."""
    default: str | None = None


class Interview:
    """The answers of one command: from its options, from a terminal, or by default."""

    def __init__(self, asks: bool) -> None:
        self.asks = asks
        self.answers: dict[str, str] = {}
        """What was answered, by flag, in the order of the questions."""

    def answer(self, question: Question[T], given: str | None) -> T:
        """The value of the option if it is given, else what the terminal says, else the default.

        Raises InputError, which names the flag, for an option that is no answer, and where there is
        neither a terminal nor a default.
        """
        if given is None and self.asks:
            return self._asked(question)
        answer = question.default if given is None else given
        if answer is None:
            raise missing({question.flag: question.why})
        with within(question.flag):
            value = question.check(answer)
        self.answers[question.flag] = answer
        return value

    def _asked(self, question: Question[T]) -> T:
        def checked(answer: str) -> T:
            try:
                value = question.check(answer.strip())
            except InputError as error:
                raise typer.BadParameter(f"{error}") from error
            self.answers[question.flag] = answer.strip()
            return value

        typer.echo(f"\n{question.why}")
        value: T = typer.prompt(question.text, default=question.default, value_proc=checked)
        return value


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    streams = (sys.stdin, sys.stdout)
    return all(stream is not None and stream.isatty() for stream in streams)


def missing(flags: Mapping[str, str]) -> InputError:
    """The error for answers that nobody gave, each with its explanation."""
    told = " ".join(f"{flag}: {why}" for flag, why in flags.items())
    return InputError(f"{', '.join(flags)}", "missing, and nobody is asked", f"Give it. {told}")


def choice(*known: str) -> Callable[[str], str]:
    """A check for one of a few words, of which the beginning is enough."""

    def check(answer: str) -> str:
        found = [word for word in known if answer and word.startswith(answer.lower())]
        if len(found) != 1:
            raise InputError(repr(answer), "not an answer", f"Give {' or '.join(known)}")
        return found[0]

    return check
