"""The one error that a user's input can cause: it says where, what and what would be right."""

from __future__ import annotations


class InputError(Exception):
    """Input that cannot be used: the file, the field, the value and what would be right.

    Raised before any cluster time is spent. The CLI prints it and exits with 2.
    """

    def __init__(self, where: str, problem: str, remedy: str) -> None:
        super().__init__(f"{where}: {problem}. {remedy}")
        self.where = where
        self.problem = problem
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        # Without it the error cannot cross a Ray process border: Exception pickles its one message.
        return InputError, (self.where, self.problem, self.remedy)
