"""Finds stored states by their place on a chain, verifies them, loads them and exports them.

A state is a folder `states/<name>/` of safetensors shards (PyTorch's distributed checkpoint in
Hugging Face form), `history.parquet`, and `state.json`. `state.json` is written last: a folder
without it is no state. Nothing here reads or writes a pickle.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
from torch.distributed.checkpoint.state_dict_loader import load

from raycl.errors import InputError
from raycl.plan.state_index import NamedSteps, StateIndex
from raycl.states.history import read_history
from raycl.states.mark import REMEDY, write_mark
from raycl.storage import Storage, layout, scratch_folder
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.checkpoint.tensors import named_tensors, restore_step_count
from raycl.train.checkpoint.verify import check_names, verify
from raycl.train.fill import whole_model
from raycl.train.model import LanguageModel, save_hugging_face
from raycl.train.world import World

_WEIGHT = "model."

# PyTorch warns of a process without a process group, which is a normal case here.
warnings.filterwarnings("ignore", message="torch.distributed is disabled")


def deepest_state(storage: Storage, chain: NamedSteps, stop: int) -> StoredState | None:
    """The complete state on the chain with the most steps, at most `stop`. One listing of states.

    None where storage holds no state of the chain.
    """
    for _, name in StateIndex(storage.list(layout.STATES)).along(chain, stop):
        try:
            return read_state(storage, name)
        except FileNotFoundError:  # its mark is not written yet, or it was removed meanwhile
            continue
    return None


def keep_state(storage: Storage, state: StoredState) -> None:
    """Turn an intermediate state into one that stays; nothing happens where it stays already."""
    if not state.kept:
        write_mark(storage, state.name, state.mark.model_copy(update={"kept": True}))


def load_state(
    storage: Storage,
    state: StoredState,
    model: LanguageModel,
    optimizer: torch.optim.Optimizer | None,
    world: World,
) -> None:
    """Read weights, and AdamW's state where an optimizer is given, in place (collective).

    The number of workers may differ from the number that saved the state. A hand-off gives
    `optimizer=None` to load the weights alone. Raises InputError, which names the file that is
    damaged or missing.
    """
    where = storage.full_path(layout.state(state.name))
    # A damaged mark must not lead raycl to a file outside of the state's folder.
    check_names(storage, state)
    if optimizer is not None:
        # AdamW's step count is a number in the mark and no tensor among the shards.
        restore_step_count(model, optimizer, state.mark.optimizer_steps)
    with _local_copy(storage, state) as folder:
        world.everywhere(lambda: verify(Path(folder), state, where, world))
        try:
            reader = HuggingFaceStorageReader(str(folder))
            stored = reader.read_metadata().state_dict_metadata
            wanted = named_tensors(model, optimizer)
            buffers = {name for name, _ in model.named_buffers()}
            _check_all_read(stored, wanted, where)
            load(
                # States of earlier versions have no buffers.
                {name: wanted[name] for name in wanted if name in stored or name not in buffers},
                storage_reader=reader,
                process_group=world.group,
                no_dist=world.size == 1,
            )
        except (CheckpointException, RuntimeError, SafetensorError) as error:
            raise InputError(where, f"not a state of this model ({error})", REMEDY) from error


def _check_all_read(stored: Collection[str], wanted: Collection[str], where: str) -> None:
    """Raise InputError for a weight of the state that the model has no place for."""
    for name in stored:
        if name.startswith(_WEIGHT) and name not in wanted:
            problem = f"the model of its configuration has no place for {name}"
            raise InputError(where, problem, REMEDY)


def load_history(storage: Storage, state: StoredState) -> list[dict[str, Any]]:
    """The lines of a state's history. Raises InputError where the file is damaged or missing."""
    lines = read_history(storage, state.mark).to_pylist()
    return [{name: value for name, value in line.items() if value is not None} for line in lines]


def export_hugging_face(storage: Storage, name: str, folder: Path) -> None:
    """Write the state's model as a Hugging Face folder: config.json and safetensors.

    Raises InputError where the state is missing or damaged.
    """
    try:
        state = read_state(storage, name)
    except FileNotFoundError as error:
        where = storage.full_path(layout.state(name))
        raise InputError(where, "there is no complete state", "See `raycl status`") from error
    save_hugging_face(load_model(storage, state, sequence_length=1), folder)


def load_model(
    storage: Storage,
    state: StoredState,
    sequence_length: int,
    attention: Sequence[str] = ("sdpa", "eager"),
) -> LanguageModel:
    """The state's whole model in float32 on the CPU, for rows of `sequence_length` tokens.

    Raises InputError where a file is damaged or missing, or where the model has fewer positions.
    """
    model = whole_model(state.mark.model, sequence_length, None, attention)
    load_state(storage, state, model, None, World(0, 1, torch.device("cpu")))
    return model


def _local_copy(storage: Storage, state: StoredState) -> Any:
    """A context whose value is a local folder with the state's files."""
    if storage.local_root is not None:
        return nullcontext(storage.full_path(layout.state(state.name)))
    return _Download(storage, state)


class _Download:
    """A scratch copy of a remote state, which is removed at the end of the `with` block."""

    def __init__(self, storage: Storage, state: StoredState) -> None:
        self._storage, self._state = storage, state
        self._scratch = scratch_folder("state")

    def __enter__(self) -> str:
        folder = self._scratch.__enter__()
        self._storage.download_folder(layout.state(self._state.name), Path(folder))
        return folder

    def __exit__(self, *error: Any) -> None:
        self._scratch.__exit__(*error)
