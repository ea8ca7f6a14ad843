"""Pretrained models in the storage, so that states need no folder of a user and no hub.

A model lies in `starts/<identifier>/`. Its mark `start.json` is written last: a folder without it
is no model. Only the files that the mark lists are ever used.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from math import prod
from pathlib import Path
from typing import Any, ClassVar

from raycl.errors import InputError
from raycl.models.headers import read_headers
from raycl.models.identifier import hashed_tensors, identifier_of
from raycl.models.start import Start, TensorHeader
from raycl.models.weight_files import WeightFiles
from raycl.plan.model_fields import trained_fields
from raycl.states.mark import FileFacts
from raycl.storage import Storage, layout
from raycl.storage.checksum import checksum
from raycl.storage.record import Part, Record, find_record, read_record, write_record
from raycl.storage.streams import crc32_of

GENERATION = "generation_config.json"
_SMALL_PATTERNS = ("*.json", "*.txt", "*.jinja", "tokenizer*.model")
"""Configuration and tokenizer; no pickle and no code."""
_SMALL_BYTES = 64 * 2**20
_DAMAGED = "Remove this folder and run again where the model's own folder is, or restore it"


class TensorPart(Part):
    """The type and shape of a tensor, and the SHA-256 of its bytes."""

    dtype: str
    shape: tuple[int, ...]
    sha256: str = ""


class StartMark(Record):
    """All facts about a pretrained model in storage."""

    WHAT: ClassVar[str] = "the mark of a pretrained model"
    REMEDY: ClassVar[str] = _DAMAGED

    identifier: str
    config: Mapping[str, Any]
    """The content of the config.json that came with it first."""
    tensors: Mapping[str, TensorPart]
    files: Mapping[str, FileFacts]
    """Every other file of the folder, by its name."""


def has_start(storage: Storage, identifier: str) -> bool:
    """Whether the storage holds a pretrained model; one request."""
    return storage.exists(layout.start_mark(identifier))


def store_start(storage: Storage, start: Start) -> bool:
    """Copy a pretrained model into the storage, if it is not whole there; whether it was copied.

    Raises InputError where its files have changed since `start` was read.
    """
    if start.folder is None or missing_file(storage, start.identifier) is None:
        return False
    weights = sorted({file for file, _ in read_headers(start.folder).values()})
    facts = {}
    for file in [*weights, *_small_files(start.folder)]:
        facts[file.name] = FileFacts(bytes=file.stat().st_size, crc32=checksum(file))
        # Two sweeps that begin at once write the same bytes here, so that either may win.
        storage.upload_file(file, f"{layout.start(start.identifier)}/{file.name}")
    if identifier_of(hashed_tensors(read_headers(start.folder))) != start.identifier:
        raise InputError(str(start.folder), "its files have just changed", "Run the command again")
    tensors = {name: TensorPart(**asdict(header)) for name, header in start.tensors.items()}
    mark = StartMark(
        identifier=start.identifier, config=dict(start.config), tensors=tensors, files=facts
    )
    write_record(storage, layout.start_mark(start.identifier), mark)
    return True


def missing_file(storage: Storage, identifier: str) -> str | None:
    """The path of a file that a stored model lacks, or whose size is wrong; None where it is whole.

    Two requests. Raises InputError where its mark is damaged.
    """
    mark = find_record(storage, layout.start_mark(identifier), StartMark)
    if mark is None:
        return layout.start_mark(identifier)
    sizes = storage.sizes(layout.start(identifier))
    wrong = (name for name, facts in mark.files.items() if sizes.get(name) != facts.bytes)
    return next((f"{layout.start(identifier)}/{name}" for name in wrong), None)


def check_start(storage: Storage, identifier: str) -> None:
    """Raise InputError where a stored model is not whole, by the sizes of its files."""
    path = missing_file(storage, identifier)
    if path is not None:
        raise InputError(
            storage.full_path(path), "the file is missing, or its size is wrong", _DAMAGED
        )


def check_same_configuration(storage: Storage, start: Start) -> None:
    """Raise InputError where the storage got these weights first with another configuration.

    An identifier means the weights with their first configuration.
    """
    kept = read_record(storage, layout.start_mark(start.identifier), StartMark).config
    first, own = trained_fields(kept), trained_fields(start.config)
    for name in sorted(first.keys() | own.keys()):
        if first.get(name) != own.get(name):
            raise InputError(
                f"{start.reference}: {name} {own.get(name)!r}",
                f"the storage has the same weights with {first.get(name)!r}, and the identifier "
                f"{start.identifier} means that model",
                "Let the recipe name the folder, or use another storage",
            )


def _small_files(folder: Path) -> list[Path]:
    found = (file for pattern in _SMALL_PATTERNS for file in sorted(folder.glob(pattern)))
    return [
        file
        for file in found
        if file.is_file() and file.stat().st_size <= _SMALL_BYTES and file.name != layout.START_MARK
    ]


def stored_start(
    storage: Storage, identifier: str, reference: str, config: Mapping[str, Any] | None = None
) -> Start | None:
    """The pretrained model of the storage with that identifier; None where it holds none.

    `config` takes the place of the configuration that came with the weights first. Raises
    InputError where its mark is damaged.
    """
    mark = find_record(storage, layout.start_mark(identifier), StartMark)
    if mark is None:
        return None
    _check_identifier(storage, mark, identifier)
    tensors = {name: TensorHeader(**dict(part)) for name, part in mark.tensors.items()}
    local = storage.local_root is not None
    folder = Path(storage.full_path(layout.start(identifier))) if local else None
    return Start(reference, identifier, config or mark.config, tensors, folder)


def start_dtype(storage: Storage, identifier: str) -> str | None:
    """The type (safetensors' name) of most of a stored model's numbers; None without the model.

    Raises InputError where its mark is damaged.
    """
    mark = find_record(storage, layout.start_mark(identifier), StartMark)
    if mark is None:
        return None
    counts: Counter[str] = Counter()
    for part in mark.tensors.values():
        counts[part.dtype] += prod(part.shape)
    return counts.most_common(1)[0][0]


def start_files(storage: Storage, identifier: str, names: Collection[str]) -> dict[str, bytes]:
    """Those files of a stored model that have these names, by name; none without the model.

    Raises InputError where its mark is damaged.
    """
    mark = find_record(storage, layout.start_mark(identifier), StartMark)
    found = sorted(set(names) & set(mark.files)) if mark else []
    return {name: storage.read_bytes(f"{layout.start(identifier)}/{name}") for name in found}


def start_weights(storage: Storage, identifier: str) -> WeightFiles:
    """The weights of a stored model, which are read by ranges. Their bytes are not checked here.

    Raises InputError where the model is missing, or the headers of its files are damaged.
    """
    mark = _read_mark(storage, identifier)
    paths = [path for path in _paths(storage, mark) if path.endswith(".safetensors")]
    files = WeightFiles(storage, paths, {name: part.sha256 for name, part in mark.tensors.items()})
    found = {n: replace(header, sha256=files.sha256(n)) for n, header in files.headers.items()}
    if identifier_of(found) != identifier:
        where = storage.full_path(layout.start(identifier))
        raise InputError(where, "its tensors are not those of its identifier", _DAMAGED)
    return files


def folder_weights(folder: Path) -> WeightFiles:
    """The weights of a model folder. Raises InputError as `read_headers`."""
    names = sorted({file.name for file, _ in read_headers(folder).values()})
    return WeightFiles(Storage(folder), names)


def verify_start(storage: Storage, identifier: str) -> None:
    """Read all files of a stored model and compare them with their checksums.

    Raises InputError, which names the file, where the model is missing or damaged.
    """
    mark = _read_mark(storage, identifier)
    for path, facts in _paths(storage, mark).items():
        try:
            found = crc32_of(storage, path)
        except FileNotFoundError as error:
            raise InputError(storage.full_path(path), "the file is missing", _DAMAGED) from error
        if found != (facts.bytes, facts.crc32):
            raise InputError(storage.full_path(path), "it does not match its checksum", _DAMAGED)


def _read_mark(storage: Storage, identifier: str) -> StartMark:
    try:
        mark = read_record(storage, layout.start_mark(identifier), StartMark)
    except FileNotFoundError as error:
        where = storage.full_path(layout.start(identifier))
        remedy = "Run the sweep again where the model's folder is, or restore it from a copy"
        raise InputError(where, "the pretrained model is not in storage", remedy) from error
    _check_identifier(storage, mark, identifier)
    return mark


def _paths(storage: Storage, mark: StartMark) -> dict[str, FileFacts]:
    """The files of a stored model by their paths. Raises InputError for one outside its folder."""
    folder = layout.start(mark.identifier)
    for name in mark.files:
        if "/" in name or name in (".", ".."):
            raise InputError(storage.full_path(f"{folder}/{name}"), "not a file name", _DAMAGED)
    return {f"{folder}/{name}": facts for name, facts in mark.files.items()}


def find_identifier(storage: Storage, beginning: str) -> str | None:
    """The one stored model whose identifier begins so; None where there is none, or several."""
    names = [name for name in storage.list(layout.STARTS) if name.startswith(beginning)]
    return names[0] if len(names) == 1 and has_start(storage, names[0]) else None


def _check_identifier(storage: Storage, mark: StartMark, identifier: str) -> None:
    if mark.identifier != identifier:
        raise InputError(
            storage.full_path(layout.start(identifier)),
            f"its mark is that of the model {mark.identifier}",
            _DAMAGED,
        )
