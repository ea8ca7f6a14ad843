"""The states of a storage as results read them: each once, with its history and its losses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from raycl.errors import InputError
from raycl.evaluation.store import Measured, read_losses
from raycl.plan.state_index import StateIndex
from raycl.plan.training import Training
from raycl.results.validation_rows import ValidatedHistory, ValidationRows, validated
from raycl.states.history import read_history
from raycl.states.mark import StateMark, read_mark
from raycl.states.row_losses import RowLosses, RowsKey, read_evaluated_rows, read_state_rows
from raycl.storage import Storage


class StoredStates:
    """The states `names` of a storage, each read once however many recipes and sweeps share it."""

    def __init__(self, storage: Storage, names: Iterable[str]) -> None:
        self.storage = storage
        self._names = frozenset(names)
        self._index = StateIndex(self._names)
        self._records: dict[str, tuple[StateMark, pd.DataFrame] | None] = {}
        self._losses: dict[str, dict[Measured, float]] = {}
        self._rows: dict[str, tuple[Mapping[RowsKey, RowLosses], str]] = {}
        self._evaluated_rows: dict[str, tuple[Mapping[RowsKey, RowLosses], str]] = {}

    @property
    def names(self) -> frozenset[str]:
        """Names of all complete states, as far as they are known."""
        return self._names

    def know(self, names: Iterable[str]) -> None:
        """Count further states among those of the storage: a sweep has trained them meanwhile."""
        self._names |= frozenset(names)
        self._index = StateIndex(self._names)
        for name in names:
            if self._records.get(name, ()) is None:
                del self._records[name]

    def are(self, names: Iterable[str]) -> None:
        """Count exactly these among the storage's states, and read evaluations anew.

        What is known of a state stays, since no state is ever changed.
        """
        gone = self._names.difference(names := frozenset(names))
        self.know(names)
        self._names, self._index = names, StateIndex(names)
        for name in gone:
            self._records.pop(name, None)
            self._rows.pop(name, None)
        self._losses.clear()
        self._evaluated_rows.clear()

    def record(self, name: str) -> tuple[StateMark, pd.DataFrame] | None:
        """The mark of a state and its lines of history as its training wrote them, or None.

        The lines are those since the state before it. Raises InputError where they are damaged.
        """
        return self._read(name)

    def has_read(self, name: str) -> bool:
        """Whether `record` knows the state without a request."""
        return self._records.get(name) is not None

    def holds(self, name: str) -> bool:
        """Whether it is one of the states."""
        return name in self._names

    def deepest(self, training: Training) -> str | None:
        """Name of the deepest complete state on a recipe's chain."""
        found = next(self._index.along(training.chain, training.chain.steps), None)
        return found[1] if found else None

    def histories(self, name: str | None, wanted: list[ValidationRows]) -> list[ValidatedHistory]:
        """The histories of the state and of those before it on its chain, the first one first.

        They begin later where an earlier state was removed; `lacks_part` then says so. Their losses
        are those on the wanted rows; see `validated`.
        """
        found: list[ValidatedHistory] = []
        while name is not None:
            if (record := self._read(name)) is None:
                break
            mark, lines = record
            found.insert(0, validated(mark, lines, wanted, self.losses(name)))
            name = mark.previous
        return found

    def lacks_part(self, name: str | None) -> str | None:
        """The nearest state before this one whose lines are missing, as it was removed; or None."""
        while name is not None:
            if (record := self._read(name)) is None:
                return name
            name = record[0].previous
        return None

    def losses(self, name: str) -> Mapping[Measured, float]:
        """What `raycl evaluate` measured of a state (nats/token)."""
        if name not in self._losses:
            self._losses[name] = read_losses(self.storage, name)
        return self._losses[name]

    def row_losses(self, name: str) -> tuple[Mapping[RowsKey, RowLosses], str]:
        """The losses of single rows of a state, and what is wrong with a file of them, or nothing.

        What its training kept, and what `raycl evaluate` measured.
        """
        record = self._read(name)
        if record is None:
            return {}, ""
        if name not in self._rows:
            self._rows[name] = _or_damage(lambda: read_state_rows(self.storage, record[0]))
        if name not in self._evaluated_rows:
            measured = bool(self.losses(name))
            self._evaluated_rows[name] = (
                _or_damage(lambda: read_evaluated_rows(self.storage, name))
                if measured
                else ({}, "")
            )
        (own, damage), (later, other) = self._rows[name], self._evaluated_rows[name]
        return {**own, **later}, damage or other

    def _read(self, name: str) -> tuple[StateMark, pd.DataFrame] | None:
        """The mark and the verified history of a state; None where there is no such state."""
        if name not in self._records:
            try:
                mark = read_mark(self.storage, name)
            except FileNotFoundError:
                self._records[name] = None
            else:
                self._records[name] = (mark, read_history(self.storage, mark).to_pandas())
        return self._records[name]


def _or_damage(
    read: Callable[[], Mapping[RowsKey, RowLosses]],
) -> tuple[Mapping[RowsKey, RowLosses], str]:
    """What is read, or nothing and what is wrong with its file."""
    try:
        return read(), ""
    except InputError as error:
        return {}, str(error)
