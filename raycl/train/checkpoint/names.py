"""Whether the files of a state are in its folder, and no others."""

from __future__ import annotations

from raycl.errors import InputError
from raycl.states.mark import REMEDY
from raycl.storage import Storage, layout
from raycl.train.checkpoint.stored_state import StoredState


def check_names(storage: Storage, state: StoredState) -> None:
    """Raise InputError where the mark lists a file outside the state's folder, or not one of it."""
    for name in state.mark.files:
        if "/" in name:
            raise InputError(
                f"{layout.state_mark(state.name)}: {name!r}", "not a file name", REMEDY
            )
        storage.full_path(state.path(name))  # refuses '..', and links that lead elsewhere
    names = storage.list(layout.state(state.name))
    if layout.STATE_REDUCED in names:
        # A change of what the state holds may have been killed. It wrote under other names, and
        # what it left is removed by the next one.
        return
    for name in names:
        if name.endswith(".safetensors") and name not in state.mark.files:
            where = storage.full_path(state.path(name))  # other programs would read it too
            raise InputError(where, "not a file of this state", REMEDY)
