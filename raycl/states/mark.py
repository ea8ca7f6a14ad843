"""state.json, the commit mark of a state. It is written last: a folder without it is no state.

Training resumes from the mark's numbers. A flipped bit would turn one of them into another number
and change every step that follows. So the mark carries a checksum of itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from raycl.errors import InputError
from raycl.plan.documents import ACROSS, Documents
from raycl.plan.holding import Holding
from raycl.plan.merge_method import Kind
from raycl.plan.training import ModelSpec
from raycl.storage import Storage, layout
from raycl.storage.record import Part, Record, read_record, write_record

REMEDY = "Remove this state's folder and run again: training goes on from an earlier state"

Count = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Seconds = Finite


class CorpusOrigin(Part):
    """A corpus that a state was trained on."""

    folder: str
    """The folder of its shards in the storage."""
    fingerprint: str
    """Fingerprint of the corpus' content; see `raycl.data.manifest`."""


class Metadata(Part):
    """The data from which a state was made."""

    corpora: Mapping[str, CorpusOrigin]
    tokenizer: str | None = None
    """Fingerprint of their tokenizer; None in older marks, which do not record it."""


class ValidationFacts(Part):
    """How a state's training validated. The same settings give the same loss to the last bit."""

    rows: int
    """Rows per corpus, the first ones of its validation split."""
    micro_batch: int
    """Rows per forward pass, of training and of validation alike."""
    precision: Literal["auto", "float32", "bfloat16"]
    documents: Documents = ACROSS
    """Whether losses stop at the borders of documents; older marks do not say it, and do not."""


class FileFacts(Part):
    """The size in bytes and the zlib.crc32 of one of a state's files."""

    bytes: Count
    crc32: Count


class MergeOrigin(Part):
    """The models from which a merged state was made, and the settings of the merge."""

    base: str
    """A state, or the folder in the storage of a pretrained model: `starts/<identifier>`."""
    states: tuple[str, ...]
    density: float | None = None
    """The share of changes that stayed; TIES alone has one."""
    scale: float | None = None
    """The factor of TIES; the other methods have a `weight`."""
    method: Kind = "ties"
    weight: float | None = None
    weights: tuple[float, ...] = ()
    """The weight of each of `states`, where they have one each; `weight` is then None."""
    instruct: str | None = None
    """Identifier of the model whose difference to the base was added."""

    @property
    def merged_states(self) -> tuple[str, ...]:
        """The states from which it was made, the base first where it is one."""
        is_start = self.base.startswith(layout.start(""))
        return self.states if is_start else (self.base, *self.states)


class AdapterFacts(Part):
    """How a state's adapters A [rank, in] and B [out, rank] add to the matrices beside them."""

    scale: Finite
    """The factor on the product B A."""
    transposed: bool
    """Whether the matrices are [in, out], as in GPT-2, and not [out, in]."""


class MachineFacts(Part):
    """What a state was computed on. It changes no bit of a name: it says what the time means."""

    device: str
    """The GPU's name as its driver has it, or the processor's."""
    hosts: Count
    """Machines that its workers ran on."""


class StateMark(Record):
    """All facts about a state that are no tensors."""

    FORMAT: ClassVar[int] = 4
    """In format 1 a pretrained model is a path or hub name, and its configuration is empty. Up to
    format 2 no stage trains a part of the weights, no state has adapters, every state holds all of
    its training, and merges are of TIES. Up to format 3 no mark says on what machines it was
    computed, how long its rows are, or how long its workers took together, and all models of a
    merge have one weight."""
    WHAT: ClassVar[str] = "the mark of a state"
    REMEDY: ClassVar[str] = REMEDY

    name: str
    step: Count
    """Steps of its chain; 0 for a merged state."""
    stage: str
    """The stage that its last step belongs to."""
    optimizer_steps: Count
    """Steps since AdamW began."""
    tokens: Count
    """Tokens of all steps of its chain."""
    world_size: int
    """Workers that wrote it; another number may read it."""
    model: ModelSpec
    metadata: Metadata
    validation: ValidationFacts | None = None
    """None in older marks, which do not record it."""
    previous: str | None
    """The state with which its history begins; None at the start of the chain."""
    previous_step: Count
    seconds: Seconds
    """Wall time since the state `previous`, validation and saving included."""
    worker_seconds: Seconds | None = None
    """The same time, of all workers together; None in older marks, see `worker_time`."""
    sequence_length: Count | None = None
    """Tokens that a row predicts; None in older marks and for merged states."""
    machine: MachineFacts | None = None
    """What the newest of its steps were computed on; None in older marks and for merged states."""
    created: str | None = None
    """ISO 8601 with a time zone; None in older marks, which do not record it."""
    merged: MergeOrigin | None = None
    trains: str | None = None
    """What its stage trains, for people; None: every weight."""
    adapters: AdapterFacts | None = None
    """None where the state has no adapters."""
    kept: bool
    """Whether the state stays: as the end of a node, by `keep_every`, or as a merged state."""
    holds: Holding = "all"
    """What of its training the state still holds. A merged state never has an optimizer."""
    files: Mapping[str, FileFacts]
    """Every other file of the state's folder, by its name, but for `reduced`."""

    @property
    def worker_time(self) -> float:
        """Seconds of all workers since the state `previous`.

        Of older marks the wall time of as many workers as wrote the state, which is not exact where
        their number has changed on the way.
        """
        if self.worker_seconds is not None:
            return self.worker_seconds
        return self.seconds * self.world_size

    @property
    def index_file(self) -> str | None:
        """The file that says where its tensors lie; None for an older state, or without tensors."""
        names = (layout.STATE_INDEX, layout.STATE_WEIGHTS_INDEX)
        return next((name for name in names if name in self.files), None)


def write_mark(storage: Storage, name: str, mark: StateMark) -> None:
    """Write the mark of the state `name`; from then on the state is complete."""
    write_record(storage, layout.state_mark(name), mark)


def read_mark(storage: Storage, name: str) -> StateMark:
    """The mark of the state `name`.

    Raises FileNotFoundError; InputError where it is damaged, or is that of another state.
    """
    path = layout.state_mark(name)
    mark = read_record(storage, path, StateMark)
    where = storage.full_path(path)
    if mark.name != name:
        raise InputError(
            where,
            f"it is the mark of the state {mark.name!r}",
            "The folder was renamed, copied or exchanged: give it back its name, or remove it",
        )
    before = mark.previous
    if before is not None and not (_steps(before) == mark.previous_step < mark.step):
        raise InputError(where, f"the state {before!r} cannot come before it", REMEDY)
    return mark


def find_mark(storage: Storage, name: str) -> StateMark | None:
    """The mark of the state `name`; None where no complete state has this name."""
    try:
        return read_mark(storage, name)
    except FileNotFoundError:
        return None


def _steps(name: str) -> int | None:
    """The number of steps with which a state's name begins; None where it begins with none.

    Along `previous` it only falls, so that no history leads in a circle.
    """
    digits = name.partition("-")[0]
    return int(digits) if digits.isascii() and digits.isdecimal() else None


def remove_state(storage: Storage, name: str) -> None:
    """Remove a state, its mark first, so that half of one never looks complete."""
    storage.remove(layout.state_mark(name))
    storage.remove_folder(layout.state(name))
