"""The states that a storage holds: complete ones and left-overs, with their size and cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from raycl.errors import InputError
from raycl.states.lookup import STATE_NAME
from raycl.states.mark import StateMark, read_mark
from raycl.states.reduced import unlisted_files
from raycl.storage import Storage, layout
from raycl.storage.backend import Found


@dataclass(frozen=True)
class StateFacts:
    """The folder of a state; without `mark` or `damage` it is what a killed writer left over."""

    name: str
    bytes: int
    modified: datetime | None
    """When the newest file was written; None where the store does not tell."""
    mark: StateMark | None
    damage: str = ""
    """What is wrong with its mark, and what to do; empty where the mark could be read."""
    unlisted: int = 0
    """Bytes of files that its mark does not list: a change that was killed has left them."""

    @property
    def step(self) -> int:
        """Steps of its chain; 0 for a merged state."""
        return int(self.name.partition("-")[0])

    @property
    def complete(self) -> bool:
        """Whether it can be loaded."""
        return self.mark is not None

    @property
    def stays(self) -> bool:
        """Whether it is no intermediate state: the end of a node, by `keep_every`, or merged."""
        return self.mark is not None and self.mark.kept

    @property
    def merged_from(self) -> tuple[str, ...]:
        """The states that it was merged from, the base first; a pretrained base is none."""
        origin = self.mark.merged if self.mark else None
        return origin.merged_states if origin else ()

    @property
    def needs(self) -> tuple[str, ...]:
        """States that it needs: its merge's origins, and the one that its history continues."""
        previous = self.mark.previous if self.mark else None
        return self.merged_from + ((previous,) if previous else ())

    @property
    def written(self) -> datetime | None:
        """When it was made, by its mark; without one, when its newest file was written."""
        try:
            created = datetime.fromisoformat((self.mark and self.mark.created) or "")
        except ValueError:
            return self.modified
        return created if created.tzinfo else created.replace(tzinfo=UTC)

    @property
    def kind(self) -> str:
        """What it is, in a word or two, as `raycl states` shows it."""
        if self.damage:
            return "damaged"
        if not self.complete:
            return "left-over"
        if self.mark is not None and self.mark.holds != "all":
            return f"{self.mark.holds} only"
        if self.merged_from:
            return "merged"
        return "kept" if self.stays else "intermediate"

    @property
    def own_steps(self) -> int:
        """Steps since the state `previous` of its mark; without one, since the start."""
        return self.step - self.mark.previous_step if self.mark else 0

    @property
    def own_tokens(self) -> int:
        """Tokens of these steps."""
        tokens = self.mark.tokens if self.mark else 0
        return tokens * self.own_steps // self.step if self.step else 0

    @property
    def own_seconds(self) -> float:
        """Wall time of these steps, validation and saving included."""
        return self.mark.seconds if self.mark else 0.0


def stored_states(storage: Storage) -> list[StateFacts]:
    """Every state and left-over, sorted by name.

    Requests: one listing of `states/`, and one read of state.json for each complete state. A state
    whose mark is damaged is listed with its `damage`.
    """
    folders: dict[str, list[Found]] = {}
    for entry in storage.everything_below(layout.STATES):
        name = entry.path.partition("/")[0]
        if STATE_NAME.fullmatch(name):
            folders.setdefault(name, []).append(entry)
    return [_facts(storage, name, folders[name]) for name in sorted(folders)]


def facts_of(storage: Storage, name: str) -> StateFacts:
    """The present facts of one state or left-over, from two requests.

    A folder that no longer exists has no bytes and no time.
    """
    entries = storage.everything_below(layout.state(name))
    return _facts(storage, name, [replace(e, path=f"{name}/{e.path}") for e in entries])


def _facts(storage: Storage, name: str, entries: Sequence[Found]) -> StateFacts:
    files = [entry for entry in entries if entry.is_file]
    # The time of the folder changes when a file in it is removed, so that it counts only where no
    # file is left.
    telling = files or [entry for entry in entries if entry.path == name]
    times = [entry.modified for entry in telling if entry.modified is not None]
    size = sum(entry.bytes for entry in files)
    mark_path = f"{name}/{layout.STATE_MARK}"
    mark, damage = None, ""
    if any(e.path == mark_path or e.path.startswith(f"{mark_path}/") for e in entries):
        mark, damage = _read_mark(storage, name)
    sizes = {entry.path.partition("/")[2]: entry.bytes for entry in files}
    unlisted = sum(sizes[file] for file in unlisted_files(mark, sizes)) if mark else 0
    return StateFacts(name, size, max(times, default=None), mark, damage, unlisted)


def _read_mark(storage: Storage, name: str) -> tuple[StateMark | None, str]:
    """The mark, or what is wrong with it; neither where it was removed since the listing."""
    try:
        return read_mark(storage, name), ""
    except FileNotFoundError:
        return None, ""
    except InputError as error:
        return None, str(error)
