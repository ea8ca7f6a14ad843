"""What a recipe leaves open: the content of its checkpoints, and what `precision: auto` means.

A command finds it out where it runs, once, and hands it down. A sweep's resolution is stored beside
its recipe, so that its results can be written again from any folder and without its options.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from raycl.data.tokenizer.files import TokenizerFiles
from raycl.errors import InputError
from raycl.models.extension_request import NewTokens, OtherTokenizer
from raycl.models.find import find_start
from raycl.models.references import remember
from raycl.models.start import Start
from raycl.models.store import check_start, store_start
from raycl.models.tokenizer import own_files
from raycl.plan.execution import Device
from raycl.recipe.extensions import PlannedExtension, planned_extension, tokenizer_files
from raycl.recipe.new_tokens import shared_new_tokens
from raycl.recipe.own_tokenizer import own_tokenizer
from raycl.recipe.replacements import planned_replacement
from raycl.recipe.schema import Recipe
from raycl.storage import Storage, layout
from raycl.storage.record import Part, Record, find_record, write_record


@dataclass(frozen=True)
class Resolution:
    """What recipes leave open, as a command has found it."""

    starts: Mapping[str, Start] = field(default_factory=dict)
    """Pretrained checkpoints by the reference in the recipe."""
    device: Device = "cpu"
    """The device of the workers, on which `precision: auto` depends."""
    own_tokenizer: TokenizerFiles | None = None
    """The tokenizer of those checkpoints; None where none came with them, or it was not read."""
    notes: tuple[str, ...] = ()
    """Sentences to tell the user."""
    extensions: Mapping[str, PlannedExtension] = field(default_factory=dict)
    """Those of the checkpoints that get another vocabulary, made or not."""

    @property
    def unmade(self) -> tuple[PlannedExtension, ...]:
        """Extensions that are not in the storage, so that names of states are provisional."""
        return tuple(found for found in self.extensions.values() if found.request is None)

    def start(self, reference: str) -> Start:
        """The checkpoint that a recipe names. Raises InputError where it was not read."""
        if reference not in self.starts:
            raise InputError(
                f"model.pretrained {reference!r}",
                "it is not known which model this was",
                "Run `raycl sweep` with the recipe again, where the model is",
            )
        return self.starts[reference]


class StartRecord(Part):
    """A checkpoint of a sweep, as far as names depend on it."""

    identifier: str
    config: Mapping[str, Any]


class ResolutionRecord(Record):
    """The resolution of a stored sweep."""

    WHAT: ClassVar[str] = "the resolution of a sweep"
    REMEDY: ClassVar[str] = "Run `raycl sweep` with the sweep's recipe again, which writes it anew"

    device: Device
    starts: Mapping[str, StartRecord]


def read_resolution(
    recipes: Iterable[Recipe], storage: Storage | None, device: Device = "cpu"
) -> Resolution:
    """The resolution of recipes, from the folder where the command runs.

    Each checkpoint is read once; its bytes are hashed, unless they were before. Raises InputError
    where one cannot be used, or would be trained with another tokenizer than its own.
    """
    recipes = list(recipes)
    references = dict.fromkeys(r.model.pretrained for r in recipes if r.model.pretrained)
    tokens = shared_new_tokens(recipes)
    if tokens is not None:
        found = {n: _planned(n, tokens, storage) for n in references}
        return with_extensions(recipes, Resolution(device=device), found, storage)
    read = {name: find_start(name, Path.cwd(), storage) for name in references}
    starts = {name: start for name, (start, _) in read.items()}
    notes = [sentence for _, sentence in read.values() if sentence]
    notes += [_own_code(start) for start in starts.values() if "auto_map" in start.config]
    own, said = own_tokenizer(recipes, {n: own_files(s, storage) for n, s in starts.items()})
    return Resolution(starts, device, own, (*notes, *said))


def _planned(
    reference: str, tokens: NewTokens | OtherTokenizer, storage: Storage | None
) -> PlannedExtension:
    if isinstance(tokens, OtherTokenizer):
        return planned_replacement(reference, Path.cwd(), tokens, storage)
    return planned_extension(reference, Path.cwd(), tokens, storage)


def with_extensions(
    recipes: Iterable[Recipe],
    resolution: Resolution,
    found: Mapping[str, PlannedExtension],
    storage: Storage | None,
) -> Resolution:
    """The resolution of recipes whose checkpoints all get a vocabulary. Raises InputError."""
    starts = {name: extension.start for name, extension in found.items()}
    own, said = own_tokenizer(recipes, {n: tokenizer_files(e, storage) for n, e in found.items()})
    notes = [_own_code(start) for start in starts.values() if "auto_map" in start.config]
    return Resolution(starts, resolution.device, own, (*notes, *said), found)


def _own_code(start: Start) -> str:
    return (
        f"model.pretrained {start.reference!r}: the code that its config.json names is not run; it "
        f"is trained as transformers' {start.config['model_type']}"
    )


def store_starts(resolution: Resolution, storage: Storage) -> list[str]:
    """Copy all checkpoints into the storage; a sentence for each one that was not there."""
    said = []
    for start in resolution.starts.values():
        if start.folder is None or start.folder == _stored_folder(storage, start):
            continue  # it was found in the storage
        if store_start(storage, start):
            said.append(f"model {start.reference}: kept in the storage as {start.identifier}")
        remember(storage, start, Path.cwd())
    return said


def check_starts(resolution: Resolution, storage: Storage) -> None:
    """Raise InputError where the storage lacks a file of a checkpoint that workers will read."""
    for start in resolution.starts.values():
        check_start(storage, start.identifier)


def _stored_folder(storage: Storage, start: Start) -> Path | None:
    if storage.local_root is None:
        return None
    return Path(storage.full_path(layout.start(start.identifier)))


def write_resolution(
    storage: Storage, sweep: str, resolution: Resolution, recipes: Sequence[Recipe]
) -> None:
    """Store the part of a resolution that the recipes of the sweep called `sweep` use."""
    used = dict.fromkeys(r.model.pretrained for r in recipes if r.model.pretrained)
    starts = {name: resolution.start(name) for name in used}
    record = ResolutionRecord(
        device=resolution.device,
        starts={
            name: StartRecord(identifier=start.identifier, config=start.config)
            for name, start in starts.items()
        },
    )
    write_record(storage, layout.sweep_resolution(sweep), record)


def stored_resolution(storage: Storage, sweep: str) -> Resolution:
    """The resolution of a stored sweep. An empty one where an earlier raycl stored the sweep.

    Raises InputError where the file is damaged.
    """
    record = find_record(storage, layout.sweep_resolution(sweep), ResolutionRecord)
    if record is None:
        return Resolution()
    starts = {
        name: Start(name, start.identifier, start.config, {}, None)
        for name, start in record.starts.items()
    }
    return Resolution(starts, record.device)
