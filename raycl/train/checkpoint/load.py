"""Finds stored states by their place on a chain, verifies them and loads them.

A state is a folder `states/<name>/` of safetensors shards, `index.parquet`, `history.parquet`, and
`state.json`. `state.json` is written last: a folder without it is no state. Nothing here reads or
writes a pickle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.plan.holding import Holding, holds_enough, needed_to_go_on
from raycl.plan.state_index import StateIndex
from raycl.states.history import read_history
from raycl.states.mark import REMEDY, write_mark
from raycl.states.tensor_index import TensorFacts
from raycl.storage import Storage, layout
from raycl.train.checkpoint.merged import add_products
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.checkpoint.tensors import named_tensors, restore_step_count
from raycl.train.model.documents import Borders
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.world import World
from raycl.train.start.fill import whole_model

_WEIGHT = "model."


def deepest_state(
    storage: Storage, chain: Chain, stop: int, least: Holding = "results"
) -> StoredState | None:
    """The deepest state on the chain, at most `stop`, from which training can go on to `stop`.

    A state at `stop` itself needs to hold no more than `least`. One listing of states, and a read
    of the mark of the state and of deeper ones that hold too little. None where storage holds no
    such state.
    """
    for step, name in StateIndex(storage.list(layout.STATES)).along(chain, stop):
        needed = least if step == stop else needed_to_go_on(chain.resets_optimizer(step))
        try:
            state = read_state(storage, name)
        except FileNotFoundError:  # its mark is not written yet, or it was removed meanwhile
            continue
        if holds_enough(state.mark.holds, needed):
            return state
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

    Each rank reads what it holds, whatever the layouts of the model and of the writers are. The
    number of workers may differ from the number that saved the state. A hand-off gives
    `optimizer=None` to load the weights alone, with the state's adapters merged into them; adapters
    of the model itself are then left as they are. Raises InputError, which names the file that is
    damaged or missing.
    """
    where = storage.full_path(layout.state(state.name))
    stored = StoredTensors(storage, state, world)
    if optimizer is not None:
        # AdamW's step count is a number in the mark and no tensor among the shards.
        restore_step_count(model, optimizer, state.mark.optimizer_steps)
    wanted = named_tensors(model, optimizer)
    check_fits(stored.facts, model, wanted, where)
    wanted = {name: tensor for name, tensor in wanted.items() if name in stored.facts}
    world.everywhere(lambda: stored.fill(wanted))
    if optimizer is None and state.mark.adapters is not None:
        facts = state.mark.adapters
        world.everywhere(lambda: add_products(wanted, stored, facts))


def check_fits(
    stored: Mapping[str, TensorFacts],
    model: LanguageModel,
    wanted: Mapping[str, torch.Tensor],
    where: str,
) -> None:
    """Raise InputError where state and model differ in a tensor or a shape.

    Buffers may be missing in the state: states of earlier versions have none.
    """
    buffers = {name for name, _ in model.named_buffers()}
    for name in stored:
        if name.startswith(_WEIGHT) and name not in wanted:
            problem = f"the model of its configuration has no place for {name}"
            raise InputError(where, problem, REMEDY)
    for name, tensor in wanted.items():
        if name not in stored and name in buffers:
            continue
        found = stored[name].shape if name in stored else None
        if found != tuple(tensor.shape):
            said = "missing" if found is None else str(list(found))
            problem = f"{name} is {list(tensor.shape)} in the model, but {said} here"
            raise InputError(where, f"not a state of this model ({problem})", REMEDY)


def load_history(storage: Storage, state: StoredState) -> list[dict[str, Any]]:
    """The lines of a state's history. Raises InputError where the file is damaged or missing."""
    lines = read_history(storage, state.mark).to_pylist()
    return [{name: value for name, value in line.items() if value is not None} for line in lines]


def load_model(
    storage: Storage,
    state: StoredState,
    sequence_length: int,
    attention: Sequence[str] = ("sdpa", "eager"),
    borders: Borders | None = None,
) -> LanguageModel:
    """The state's whole model in float32 on the CPU, for rows of `sequence_length` tokens.

    Raises InputError where a file is damaged or missing, or where the model has fewer positions.
    """
    model = whole_model(state.mark.model, sequence_length, None, attention, borders)
    load_state(storage, state, model, None, World(0, 1, torch.device("cpu")))
    return model
