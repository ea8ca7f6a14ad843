"""Which files a corpus is read from, and how they are cut into units of work."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import fs as arrow_fs

from raycl.data.prepare.file_systems import HUB, is_local, open_file_system, split_query
from raycl.data.prepare.folders import (
    Folder,
    FoundFile,
    LocalFolder,
    list_stored,
    look_up,
    stored_file,
)
from raycl.data.prepare.named_dataset import named_files
from raycl.data.prepare.patterns import Search, has_wildcard
from raycl.data.prepare.readers import READERS, reader_for_suffix, reader_named
from raycl.data.prepare.readers.compression import COMPRESSIONS
from raycl.data.prepare.saved_dataset import saved_files
from raycl.data.prepare.source import DatasetChoice, InputFile, Piece, TextSource, Unit
from raycl.errors import InputError

UNIT_BYTES = 32 * 2**20
_PACKED_TOGETHER = (".zip", ".tar", ".tgz", ".7z", ".rar")
_TOKENS = (".idx", ".bin")


class ForeignFileError(InputError):
    """A file that no reader reads lies among the input."""


@dataclass(frozen=True)
class Inputs:
    """The files that patterns name, sorted by name, and what was passed over beside them."""

    files: list[InputFile]
    ignored: list[str]
    """Marker files."""
    folders: list[str]
    """Folders that a pattern for files matches."""


def find_files(source: TextSource) -> list[InputFile]:
    """Every input file, sorted by name; see `find_inputs`."""
    return find_inputs(source).files


def find_inputs(source: TextSource) -> Inputs:
    """Every input file once, and what was ignored.

    Raises InputError where a pattern matches no file, or something that cannot be read.
    """
    if not source.files:
        raise InputError("files []", "a corpus needs input", "Give at least one file")
    found: dict[tuple[object, ...], tuple[str, FoundFile]] = {}
    ignored: list[str] = []
    folders: list[str] = []
    for pattern in _patterns(source):
        search = _searched(source, pattern)
        if not search.found:
            raise _no_match(pattern, search)
        ignored += search.ignored
        folders += search.folders
        for file in search.found:
            url = _url(pattern, file.path)
            known = found.get(file.identity)
            # Of a file's names the first in order counts, so that the search's order does not.
            if known is None or url < known[0]:
                found[file.identity] = url, file
    files = [_input_file(source, url, file) for url, file in found.values()]
    files.sort(key=lambda file: file.url)
    return Inputs(files, sorted(set(ignored)), sorted(set(folders)))


def _patterns(source: TextSource) -> list[str]:
    if source.format == "auto":
        return list(source.files)
    reader = reader_named(source.format)
    return [pattern for word in source.files for pattern in reader.files(word)]


def _searched(source: TextSource, pattern: str) -> Search:
    """The files that a pattern of the source names, or those of the dataset that it names."""
    if pattern.startswith("hf://") and source.dataset is None:
        remedy = "Give `dataset: owner/name`, with `config`, `split` and `revision`"
        raise InputError(f"input {pattern!r}", "it lies on the Hugging Face hub", remedy)
    if pattern.startswith(HUB):
        return Search(found=named_files(pattern, source.dataset or DatasetChoice()))
    saved = _saved(pattern, source.dataset)
    if saved is not None:
        return Search(found=[file for url in saved for file in _one_file(url)])
    if source.dataset is None:
        return search_files(pattern)
    if not is_local(pattern) or not os.path.isdir(os.path.expanduser(pattern)):
        problem = "no dataset that `save_to_disk` wrote"
        raise InputError(f"dataset {pattern!r}", problem, "Give its folder, or its files as `text`")
    named = named_files(pattern, source.dataset)
    return Search(found=[found for file in named for found in _one_file(file.path)])


def _saved(pattern: str, choice: DatasetChoice | None) -> list[str] | None:
    """The files of a saved dataset; None where the pattern is no folder of one."""
    if "\0" in pattern or not (choice or _may_be_folder(pattern)):
        return None
    try:
        return saved_files(pattern, choice.split if choice else None)
    except (OSError, pa.ArrowException):
        return None  # the search says what is wrong with it


def _may_be_folder(pattern: str) -> bool:
    """Whether it is a folder here, or may be one in a store: then it is worth two requests."""
    if is_local(pattern):
        return os.path.isdir(os.path.expanduser(pattern.removeprefix("file://")))
    suffix = os.path.splitext(split_query(pattern)[0])[1].lower()
    known = suffix in COMPRESSIONS or reader_for_suffix(suffix) is not None
    return not known and not has_wildcard(pattern)


def _one_file(url: str) -> list[FoundFile]:
    found = search_files(url).found
    if not found:
        raise InputError(url, "a file of a dataset is missing", "Restore it")
    return found


def search_files(pattern: str) -> Search:
    """The files that a path, a folder or a pattern names, of any kind.

    Raises InputError where it cannot be listed, or names something that is no file.
    """
    try:
        return _search(pattern)
    except (OSError, pa.ArrowException) as error:
        remedy = "Check the bucket's name, AWS_ENDPOINT_URL and the credentials"
        if is_local(pattern):
            remedy = "Give a folder that you may read"
        raise InputError(f"input {pattern!r}", f"it cannot be listed ({error})", remedy) from error


def _no_match(pattern: str, search: Search) -> InputError:
    problem, remedy = "no files match", "Give an existing file, folder or glob"
    if search.folders:
        problem += f" but folders ({_few_names(search.folders)})"
        remedy = f"Give {pattern.rstrip('/')}/** for the files in them"
    if search.ignored:
        names = _few_names(search.ignored)
        problem += f" but those that hold no data ({names})"
        remedy += "; a file that is named itself is read"
    return InputError(f"input {pattern!r}", problem, remedy)


def _few_names(paths: list[str]) -> str:
    return ", ".join(os.path.basename(path) for path in paths[:3])


def _search(pattern: str) -> Search:
    file_system, path = open_file_system(split_query(pattern)[0] if "\0" in pattern else pattern)
    if "\0" in pattern:
        raise InputError(f"input {pattern!r}", "it holds a NUL character", "Correct the path")
    if is_local(pattern):
        return _search_local(pattern, path)
    return _search_stored(file_system, path.rstrip("/"))


def _search_local(pattern: str, path: str) -> Search:
    found = look_up(path)
    if found is None and pattern.startswith("file://"):
        # A URL may have its special characters escaped; a file of this very name came first.
        path = os.path.abspath(unquote(pattern.removeprefix("file://")))
        found = look_up(path)
    search = Search()
    if isinstance(found, FoundFile):
        search.found.append(found)
        return search
    folder: Folder | FoundFile | None = LocalFolder("/")
    segments = [segment for segment in path.split("/") if segment]
    # As far as the path exists as it is written, its wildcards are parts of names.
    while segments and isinstance(folder, Folder):
        below = look_up(os.path.join(folder.path, segments[0]))
        if below is None and has_wildcard(segments[0]):
            break
        folder, segments = below, segments[1:]
    if isinstance(folder, Folder):
        search.below(folder, tuple(segments) or ("**",))
    return search


def _search_stored(file_system: arrow_fs.FileSystem, path: str) -> Search:
    search = Search()
    info = file_system.get_file_info(path)
    if info.type == arrow_fs.FileType.File:
        search.found.append(stored_file(info))
    elif info.type == arrow_fs.FileType.Directory:
        search.below(list_stored(file_system, path), ("**",))
    else:
        base, *segments = path.split("/")
        while segments and not has_wildcard(segments[0]):
            base, segments = f"{base}/{segments[0]}", segments[1:]
        if segments:
            search.below(list_stored(file_system, base), tuple(segments))
    return search


def _url(pattern: str, path: str) -> str:
    """The URL of a found file; the options of a store belong to every file found in it."""
    if is_local(pattern):
        return path
    plain, query = split_query(pattern)
    scheme, _, rest = plain.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")  # gs://anonymous@bucket
    return f"{scheme}://{user}{at}{path}{query}"


def _input_file(source: TextSource, url: str, file: FoundFile) -> InputFile:
    stem, suffix = os.path.splitext(split_query(url)[0])
    compression = COMPRESSIONS.get(suffix.lower())
    if compression:
        suffix = os.path.splitext(stem)[1]
    by_suffix = source.format == "auto"
    reader = reader_for_suffix(suffix.lower()) if by_suffix else reader_named(source.format)
    if reader is None:
        raise _unknown_suffix(url, suffix)
    if compression and not reader.reads_compressed:
        raise InputError(
            url,
            f"a {reader.name} file inside {compression}, which cannot be read in parts",
            "Unpack the file: this format compresses its own parts",
        )
    return InputFile(
        url,
        reader.name,
        compression,
        file.size,
        file.modified,
        file.changed,
        file.inode,
        file.sha256,
    )


def _unknown_suffix(url: str, suffix: str) -> InputError:
    if suffix.lower() in _PACKED_TOGETHER:
        return ForeignFileError(
            url, "an archive, not a file of text", "Unpack it and name its files"
        )
    if suffix.lower() in _TOKENS:
        remedy = "Name it under `tokens` in place of `text`, without .idx and .bin"
        return ForeignFileError(url, "tokens of Megatron-LM or GPT-NeoX, not text", remedy)
    known = ", ".join(suffix for known in READERS.values() for suffix in known.suffixes)
    problem = f"unknown suffix {suffix!r}" if suffix else "its name has no suffix"
    remedy = f"Use {known} (also with {', '.join(COMPRESSIONS)}), or set `format`"
    of_text = (name for name, reader in READERS.items() if reader.suffixes)
    return ForeignFileError(url, problem, f"{remedy} to one of {', '.join(of_text)}")


def plan_units(
    source: TextSource, files: list[InputFile], unit_bytes: int = UNIT_BYTES
) -> tuple[list[Unit], int]:
    """Cut the files into units of about `unit_bytes` bytes of text; also all bytes to expect."""
    units: list[Unit] = []
    small: list[Piece] = []
    total = room = 0
    for file in files:
        for piece, size in reader_named(file.format).pieces(source, file, unit_bytes):
            total += size
            if small and room + size > unit_bytes:
                units.append(tuple(small))
                small, room = [], 0
            small.append(piece)
            room += size
    if small:
        units.append(tuple(small))
    return units, total
