"""States that hold less than all of their training: a file in a listing says which may be such.

Plans are made from a listing of names. So that a mark has to be read of few states only, a state
that is to hold less gets the file `reduced` before its mark says so. The mark alone is the truth:
a state with the file may still hold all, and one without it that holds less is noticed by whoever
loads it.
"""

from __future__ import annotations

from collections.abc import Collection

from raycl.plan.holding import Holding, holds_enough
from raycl.states.completeness import read_marks
from raycl.states.mark import FileFacts, StateMark, find_mark, write_mark
from raycl.storage import Storage, layout

_SAYS = b"This state may hold less than all of its training: state.json tells what.\n"


def announce(storage: Storage, name: str) -> None:
    """Say in the state's folder that its mark has to be read; before the mark changes."""
    storage.write_bytes(layout.state_reduced(name), _SAYS)


def holdings(storage: Storage, names: Collection[str]) -> dict[str, Holding]:
    """What each of the states holds, where it is less than all; one read for each name.

    A state whose mark is damaged or gone is left out: whoever needs it says what is wrong.
    """
    marks, _ = read_marks(storage, names)
    return {name: mark.holds for name, mark in marks.items() if mark.holds != "all"}


def held(storage: Storage, name: str, needed: Holding) -> bool:
    """Whether the state is complete and holds what is needed; one request."""
    if needed == "results":
        return storage.exists(layout.state_mark(name))
    mark = find_mark(storage, name)
    return mark is not None and holds_enough(mark.holds, needed)


def keep_results(storage: Storage, mark: StateMark) -> None:
    """Remove a state's weights and optimizer; its history, and so all results, stay.

    A killed call leaves a state that is whole, or one that holds its history: its tensors may still
    lie there, and the next call removes them.
    """
    announce(storage, mark.name)
    less = mark.model_copy(update={"holds": "results", "files": tables_of(mark)})
    write_mark(storage, mark.name, less)
    remove_unlisted(storage, less)


def tables_of(mark: StateMark) -> dict[str, FileFacts]:
    """The files of a state that stay whatever becomes of its tensors."""
    return {file: facts for file, facts in mark.files.items() if file in layout.STATE_TABLES}


def unlisted_files(mark: StateMark, files: Collection[str]) -> list[str]:
    """Those of the files in a state's folder that are no part of it: a killed change left them."""
    own = {layout.STATE_MARK, *mark.files}
    if mark.holds != "all":
        own.add(layout.STATE_REDUCED)
    return [file for file in files if file not in own]


def remove_unlisted(storage: Storage, mark: StateMark) -> None:
    """Remove the files in a state's folder that its mark does not list."""
    for file in unlisted_files(mark, storage.list(layout.state(mark.name))):
        storage.remove(f"{layout.state(mark.name)}/{file}")
