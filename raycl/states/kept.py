"""Keeps a state that was written on the way to another one."""

from __future__ import annotations

from raycl.errors import InputError
from raycl.states.mark import read_mark, remove_state, write_mark
from raycl.storage import Storage, layout


def keep_state(storage: Storage, state: str) -> None:
    """Mark a state as one that stays, whatever the training that wrote it does.

    Raises InputError where that training removes it just now.
    """
    try:
        mark = read_mark(storage, state)
        if mark.kept:
            return
        write_mark(storage, state, mark.model_copy(update={"kept": True}))
    except FileNotFoundError:
        raise _gone(state) from None
    # Its training removes the mark first and then the files, and may have begun with them.
    if len(storage.list(layout.state(state))) == 1:
        remove_state(storage, state)
        raise _gone(state)


def _gone(state: str) -> InputError:
    problem = "its training has gone on and removed it just now"
    return InputError(f"state {state}", problem, "Run the same command again")
