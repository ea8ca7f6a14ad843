"""The one error that a user's input can cause: it names the place, the problem and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(Exception):
    """Input that cannot be used: the file or field, what is wrong with it, and what to do.

    Raised before any cluster time is spent. The CLI prints it and exits with 2.
    """

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"{where}: {problem}. {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        # Ray pickles an error to hand it to another process. `Exception` would pickle the message
        # alone, and this class cannot be made from its message.
        return type(self), (self.where, self.problem, self.remedy)


@contextmanager
def within(where: str) -> Iterator[None]:
    """Put a place in front of every InputError that is raised inside the block.

    A function that checks one field names that field only; its callers add the file and the
    section around it, each in its own `with within(...)`. Nested blocks add up from the outside
    in: `recipe.yaml: stages: learning_rate`. Other errors pass unchanged.
    """
    try:
        yield
    except InputError as error:
        place = f"{where}: {error.where}" if error.where else where
        # The cause stays the original one: the error without its place would only repeat this one.
        raise type(error)(place, error.problem, error.remedy) from error.__cause__


class FieldError(ValueError):
    """A value that a field cannot have. The code that reads the field makes an `InputError` of it.

    `remedy` is a sentence of its own, such as "Write for example 300B", or it is empty.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}; {remedy[0].lower()}{remedy[1:]}" if remedy else problem)
        self.problem = problem
        self.remedy = remedy
