"""Folders that `save_to_disk` of Hugging Face's datasets writes: Arrow files and what lists them.

A dataset is Arrow files and a `state.json`; a DatasetDict is a folder of such folders, one for each
split, and a `dataset_dict.json`. They are read without that library.
"""

from __future__ import annotations

import json
from typing import Any

from pyarrow import fs as arrow_fs

from raycl.data.prepare.file_systems import open_file_system, split_query
from raycl.errors import InputError

_LIST_OF_SPLITS, _LIST_OF_FILES = "dataset_dict.json", "state.json"
_MOST_BYTES = 2**24
_SAVE_AGAIN = "Load it with `datasets.load_from_disk` and save it again"


def saved_files(folder: str, split: str | None) -> list[str] | None:
    """The Arrow files of a saved dataset, in their order; None where the folder is something else.

    Old files that another `save_to_disk` or a cache left in the folder are not among them. Raises
    InputError where there is no such split, or several and none is chosen.
    """
    splits = _read(folder, _LIST_OF_SPLITS).get("splits")
    if isinstance(splits, list) and all(isinstance(name, str) for name in splits):
        folder = _below(folder, _inside(folder, chosen_split(folder, splits, split)))
        state = _read(folder, _LIST_OF_FILES)
        if "_data_files" not in state:
            raise InputError(folder, "a split of a saved dataset is missing", _SAVE_AGAIN)
        return _listed(folder, state)
    state = _read(folder, _LIST_OF_FILES)
    if "_data_files" not in state:
        return None
    if split is not None and state.get("_split") != split:
        known = f", of the split {state['_split']!r}" if state.get("_split") else ""
        raise InputError(
            f"split {split!r}", f"{folder} is one saved dataset{known}", "Leave `split` out"
        )
    return _listed(folder, state)


def chosen_split(where: str, splits: list[str], split: str | None) -> str:
    """The split that is meant; the only one where none is. Raises InputError."""
    names = ", ".join(splits) or "none"
    if split is None and len(splits) != 1:
        raise InputError(
            where,
            f"a dataset with the splits {names}",
            f"Choose one: `dataset: {where}` with `split`",
        )
    if split is not None and split not in splits:
        raise InputError(f"split {split!r}", f"{where} has no such split", f"Use one of {names}")
    return split or splits[0]


def _listed(folder: str, state: dict[str, Any]) -> list[str]:
    # Older versions of the library kept a selection of rows beside the files.
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise InputError(folder, "its rows are a selection of those in its files", _SAVE_AGAIN)
    try:
        names = [file["filename"] for file in state["_data_files"]]
    except (TypeError, KeyError) as error:
        raise InputError(folder, f"{_LIST_OF_FILES} lists no files", _SAVE_AGAIN) from error
    return [_below(folder, _inside(folder, name)) for name in names]


def _inside(folder: str, name: Any) -> str:
    """A name that one of the lists gives, which may not lead out of the folder."""
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\\" in name:
        raise InputError(folder, f"it lists something that lies elsewhere, {name!r}", _SAVE_AGAIN)
    return name


def _read(folder: str, name: str) -> dict[str, Any]:
    """The JSON object in a file of the folder; empty where there is none.

    Raises OSError and pyarrow's errors where the folder cannot be looked into.
    """
    file_system, path = open_file_system(_below(folder, name))
    info = file_system.get_file_info(path)
    if info.type != arrow_fs.FileType.File or info.size > _MOST_BYTES:
        return {}
    with file_system.open_input_stream(path) as stream:
        data = stream.read()
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _below(folder: str, name: str) -> str:
    plain, query = split_query(folder)
    return f"{plain.rstrip('/')}/{name}{query}"
