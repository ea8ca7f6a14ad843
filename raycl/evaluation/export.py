"""Writes a stored state as a folder that transformers loads: model, tokenizer, configuration."""

from __future__ import annotations

from pathlib import Path

from raycl.data.tokenizer import copy_tokenizer
from raycl.errors import InputError
from raycl.evaluation.losses import state_tokenizer
from raycl.models.chat import CHAT_TEMPLATE, chat_template
from raycl.models.store import GENERATION, has_start
from raycl.states.lookup import find_state
from raycl.storage import Storage, layout
from raycl.train.checkpoint.export import export_hugging_face
from raycl.train.checkpoint.stored_state import StoredState, read_state


def export_state(storage: Storage, reference: str, folder: Path) -> str:
    """Write the state that `reference` names into a new or empty folder; its whole name.

    Nothing outside of the storage is needed. Raises InputError where the state or its tokenizer is
    not there or damaged, and where the folder holds something.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"--to {folder}", "it is not empty", "Give a new folder")
    state = read_state(storage, find_state(storage, reference))
    tokenizer = state_tokenizer(storage, state)
    if tokenizer is None:
        raise InputError(
            f"state {state.name}",
            "its mark names no tokenizer, and none of its corpora is in storage",
            "Restore one of its corpora",
        )
    export_hugging_face(storage, state.name, folder)
    copy_tokenizer(storage, tokenizer, folder)
    _export_generation(storage, state, folder)
    return state.name


def _export_generation(storage: Storage, state: StoredState, folder: Path) -> None:
    """The generation settings of the model that the state began from, where it has some.

    Those of an instruct model, and its chat template, where the state has its residual.
    """
    instruct = state.mark.merged.instruct if state.mark.merged else None
    identifier = instruct or state.mark.model.pretrained
    if identifier is None or not has_start(storage, identifier):
        return
    path = f"{layout.start(identifier)}/{GENERATION}"
    if storage.exists(path):
        storage.download_file(path, folder / GENERATION)
    if instruct and (template := chat_template(storage, instruct)):
        (folder / CHAT_TEMPLATE).write_text(template, encoding="utf-8")
