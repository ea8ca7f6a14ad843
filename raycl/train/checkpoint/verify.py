"""Whether the files of a state are those that its mark lists, byte for byte."""

from __future__ import annotations

from pathlib import Path

from raycl.errors import InputError
from raycl.states.mark import REMEDY
from raycl.storage import Storage, layout
from raycl.storage.checksum import checksum
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.world import World


def check_names(storage: Storage, state: StoredState) -> None:
    """Raise InputError where the mark lists a file outside the state's folder."""
    for name in state.mark.files:
        if "/" in name:
            raise InputError(
                f"{layout.state_mark(state.name)}: {name!r}", "not a file name", REMEDY
            )
        storage.full_path(state.path(name))  # refuses '..', and links that lead elsewhere


def verify(folder: Path, state: StoredState, where: str, world: World) -> None:
    """Compare one rank's share of the shards in `folder` with the mark. Raises InputError.

    The ranks share the work also where the storage is remote and each has a copy of its own.
    `where` is the state's folder in the storage, for messages.
    """
    files = state.mark.files
    shards = sorted(name for name in files if name.endswith(".safetensors"))
    strangers = {path.name for path in folder.glob("*.safetensors")} - set(shards)
    if strangers:  # the reader would read them too
        raise InputError(f"{where}/{min(strangers)}", "not a file of this state", REMEDY)
    for name in shards[world.rank :: world.size]:
        path = folder / name
        if not path.exists():
            raise InputError(f"{where}/{name}", "the file is missing", REMEDY)
        try:
            whole = path.stat().st_size == files[name].bytes and checksum(path) == files[name].crc32
        except OSError as error:
            reason = error.strerror or str(error)
            raise InputError(f"{where}/{name}", f"it cannot be read ({reason})", REMEDY) from error
        if not whole:
            raise InputError(f"{where}/{name}", "it does not match its checksum", REMEDY)
