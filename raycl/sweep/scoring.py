"""The scores of final states in the tasks of a search's objective, measured beside the training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from raycl.errors import InputError

Report = Callable[[str], None]


class Scorer(Protocol):
    """Scores states while the caller does something else."""

    def start(self, state: str) -> None:
        """Begin to score a state; returns at once."""

    def ended(self) -> dict[str, str]:
        """The states that have ended since the last call, each with the reason if it has failed."""

    def cancel(self) -> None:
        """Stop what is under way."""


class Scores:
    """Which states are scored, wait for it, or cannot be; each is tried once.

    `lacks(state)` says whether storage has no score of it. The scorer is there only while a cluster
    is (`measure_with`); before, states wait.
    """

    def __init__(self, lacks: Callable[[str], bool], report: Report = print) -> None:
        self._lacks, self._report = lacks, report
        self._scorer: Scorer | None = None
        self._queue: dict[str, None] = {}
        self._started: set[str] = set()
        self._there: set[str] = set()
        self.failed: dict[str, str] = {}
        """The states that could not be scored, each with its reason."""

    @property
    def waiting(self) -> frozenset[str]:
        """States whose scores are to come."""
        return frozenset(self._started.union(self._queue))

    @property
    def under_way(self) -> int:
        """How many states are being scored now."""
        return len(self._started)

    def measure_with(self, scorer: Scorer) -> None:
        """Score with this from now on."""
        self._scorer = scorer

    def has(self, state: str) -> bool:
        """Whether no score of the state is to come; if one is, it waits to be scored."""
        if state in self._there or state in self.failed:
            return True
        if state in self.waiting:
            return False
        try:
            lacks = self._lacks(state)
        except InputError as error:  # a damaged file of scores is no reason to lose the sweep
            self._fail(state, str(error))
            return True
        if lacks:
            self._queue[state] = None
        else:
            self._there.add(state)
        return not lacks

    def go_on(self, places: int) -> frozenset[str]:
        """Begin to score states that wait, at most so many; returns those that have ended."""
        if self._scorer is None:
            return frozenset()
        ended = self._scorer.ended()
        for state, reason in ended.items():
            self._started.discard(state)
            if reason:
                self._fail(state, reason)
            else:
                self._there.add(state)
        found = set()
        for state in list(self._queue)[: max(places + len(ended), 0)]:
            del self._queue[state]
            if self.has(state):  # somebody else has scored it meanwhile
                found.add(state)
                continue
            del self._queue[state]
            self._started.add(state)
            self._scorer.start(state)
        return frozenset(ended) | found

    def close(self) -> None:
        """Stop what is under way; it waits again."""
        if self._scorer is not None:
            self._scorer.cancel()
        self._scorer = None
        self._queue |= dict.fromkeys(self._started)
        self._started.clear()

    def _fail(self, state: str, reason: str) -> None:
        self.failed[state] = reason
        self._report(f"The tasks of the objective could not be asked of {state}: {reason}")
