"""A complete state in storage, as its mark describes it."""

from __future__ import annotations

from dataclasses import dataclass

from raycl.states.mark import StateMark, read_mark
from raycl.storage import Storage, layout


@dataclass(frozen=True)
class StoredState:
    """A complete state in storage; `mark` is the content of its state.json."""

    name: str
    step: int
    mark: StateMark

    @property
    def kept(self) -> bool:
        """Whether the state stays, as the end of a node does; an intermediate state is removed."""
        return self.mark.kept

    def path(self, file: str) -> str:
        """The storage path of one of its files."""
        return f"{layout.state(self.name)}/{file}"


def read_state(storage: Storage, name: str) -> StoredState:
    """The state called `name`.

    Raises FileNotFoundError where no complete state has this name, and InputError where its mark
    is damaged.
    """
    mark = read_mark(storage, name)
    return StoredState(name, mark.step, mark)
