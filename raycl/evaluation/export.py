"""Writes a stored state as a folder that transformers loads: model, tokenizer, configuration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Literal

from raycl.data.tokenizer import copy_tokenizer
from raycl.data.tokenizer.files import CHAT_TEMPLATE
from raycl.evaluation.loaded_loss import LoadedLoss, loaded_loss
from raycl.evaluation.losses import read_state_tokenizer
from raycl.evaluation.partial_folder import check_new, check_room, written_beside
from raycl.evaluation.source_files import copy_source_files
from raycl.models.chat import chat_template
from raycl.models.exported import finish_config, finish_tokenizer
from raycl.models.store import GENERATION, start_dtype, start_files
from raycl.states.lookup import find_state
from raycl.storage import Storage
from raycl.train.checkpoint.cast import TORCH_DTYPES, Dtype
from raycl.train.checkpoint.export import FILE_BYTES, export_hugging_face
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.checkpoint.weights import state_weights

DtypeChoice = Literal["original", "float32", "bfloat16", "float16"]
_DTYPES: dict[str, Dtype] = {"BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True)
class Exported:
    """What was written."""

    state: StoredState
    dtype: Dtype
    loss: LoadedLoss | None
    """None where it was not loaded, or no validation rows of its corpora are in storage."""
    checked: bool

    @property
    def sentence(self) -> str:
        """What the comparison of losses has found."""
        if not self.checked:
            return "Not checked: the folder was not loaded after it was written."
        if self.loss is None:
            return "Not checked: no validation rows of the state's corpora are in storage."
        found = self.loss
        said = (
            f"Checked: transformers loads the folder, with a loss of {found.loaded:.6f} nats/token "
            f"on {found.rows} validation rows of {found.corpus}; raycl has {found.cast:.6f}"
        )
        if self.dtype != "float32":
            said += f", and {found.own:.6f} before the weights became {self.dtype}"
        if not found.same_tokens:
            said += (
                ". Its tokenizer gives other ids than raycl's to some text: transformers loads the "
                "class that tokenizer_config.json names"
            )
        return f"{said}."


@dataclass(frozen=True)
class ExportOptions:
    """How a state is written."""

    dtype: DtypeChoice = "original"
    """`original`: that of the checkpoint from which training began, float32 after a random start.
    """
    file_bytes: int = FILE_BYTES
    check: bool = True
    """Whether the folder is loaded, and its loss compared, before it is called done."""


Finish = Callable[[Path, Exported], None]
"""Adds files to the folder before it takes its place."""


def export_state(
    storage: Storage,
    reference: str,
    folder: Path,
    options: ExportOptions | None = None,
    finish: Finish = lambda _folder, _exported: None,
    report: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Write the state that `reference` names into a new or empty folder.

    The folder appears whole, or not at all, and nothing outside of the storage is needed. Raises
    InputError where the state or its tokenizer is not there or damaged, where the folder holds
    something, and where what was written is not the same model.
    """
    options = options or ExportOptions()
    check_new(folder)
    state = read_state(storage, find_state(storage, reference))
    tokenizer = read_state_tokenizer(storage, state)
    dtype = _dtype(storage, state, options.dtype)
    check_room(folder, _bytes(storage, state, dtype))
    with written_beside(folder, report) as beside:
        export_hugging_face(storage, state.name, beside, options.file_bytes, dtype)
        copy_tokenizer(storage, tokenizer.fingerprint, beside)
        copy_source_files(storage, state.mark.model.pretrained, tokenizer, beside)
        _copy_instruct_files(storage, state, beside)
        began_random = state.mark.model.pretrained is None
        ids = {"eos_token_id": tokenizer.end, "bos_token_id": tokenizer.begin}
        finish_config(beside, dtype, ids if began_random else None)
        finish_tokenizer(beside)
        loss = loaded_loss(storage, state, beside, dtype) if options.check else None
        made = Exported(state, dtype, loss, options.check)
        finish(beside, made)
    return made


def _copy_instruct_files(storage: Storage, state: StoredState, folder: Path) -> None:
    """The generation settings and the chat template of an instruct model that was merged in."""
    instruct = state.mark.merged.instruct if state.mark.merged else None
    if instruct is None:
        return
    for name, content in start_files(storage, instruct, (GENERATION,)).items():
        (folder / name).write_bytes(content)
    if template := chat_template(storage, instruct):
        (folder / CHAT_TEMPLATE).write_text(template, encoding="utf-8")


def _dtype(storage: Storage, state: StoredState, choice: DtypeChoice) -> Dtype:
    if choice != "original":
        return choice
    identifier = state.mark.model.pretrained
    found = start_dtype(storage, identifier) if identifier else None
    return _DTYPES.get(found or "", "float32")


def _bytes(storage: Storage, state: StoredState, dtype: Dtype) -> int:
    """Bytes of the state's weights in that type."""
    facts = state_weights(storage, state).facts
    shapes = [found.shape for name, found in facts.items() if name.startswith("model.")]
    return sum(map(prod, shapes)) * TORCH_DTYPES[dtype].itemsize
