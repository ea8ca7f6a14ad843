"""Merges stored states into one, which is then a state like any other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction

import torch

from raycl.errors import InputError
from raycl.plan.model_fields import trained_fields
from raycl.states.lookup import find_state, is_complete
from raycl.states.mark import CorpusOrigin, MergeOrigin, Metadata, StateMark
from raycl.storage import Storage
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.history_file import history_file
from raycl.train.world import World
from raycl.weights.ties import ties

_FORMAT = 1
"""Part of a merge's name. Raise it when the meaning of a merge changes, so that no old state is
taken for a new one."""


def merge_states(
    storage: Storage, base: str, states: Sequence[str], density: Fraction | float, scale: float
) -> str:
    """Write the TIES merge of `states`, which were trained from `base`; returns its name.

    The new state has weights alone, step 0 and no history. It depends on the arguments alone, so
    a merge that storage holds is not made again. Raises InputError where a state is unknown, where
    tensors do not match, and for a density outside (0, 1].
    """
    density = Fraction(str(density))
    if not 0 < density <= 1:
        raise InputError(f"density {float(density):g}", "not a share above 0", "Give 1% to 100%")
    if not states:
        raise InputError("merge", "no state is named", "Give at least one beside --base")
    start = read_state(storage, find_state(storage, base))
    # The order of the states does not change a merge. They are sorted, so that it does not change
    # the name either.
    others = [read_state(storage, n) for n in sorted(find_state(storage, s) for s in states)]
    for state in others:
        _check_one_model(start, state)
    name = merged_name(start.name, [state.name for state in others], density, scale)
    if not is_complete(storage, name):
        _write(storage, name, start, others, density, scale)
    return name


def merged_name(base: str, states: Sequence[str], density: Fraction, scale: float) -> str:
    """The name of a merge: zero training steps, and a hash of everything that determines it.

    A chain hashes other content, so no chain ever has a state of this name.
    """
    content = ["TIES", _FORMAT, base, list(states), str(density), float(scale)]
    return f"{0:09d}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]}"


def _write(
    storage: Storage,
    name: str,
    base: StoredState,
    states: Sequence[StoredState],
    density: Fraction,
    scale: float,
) -> None:
    world = World(0, 1, torch.device("cpu"))
    weights = [_weights(storage, state) for state in (base, *states)]
    for state, found in zip(states, weights[1:], strict=True):
        _check_same(base, weights[0], state, found)
    merged = ties(weights[0], weights[1:], density, scale)
    origin = MergeOrigin(
        base=base.name,
        states=tuple(state.name for state in states),
        density=float(density),
        scale=float(scale),
    )
    writer = StateWriter(storage, world, keep_last=0)
    mark = _mark(name, base, states, origin)
    writer.save(name, merged, mark, history_file([]), kept=True)
    writer.wait()


def _weights(storage: Storage, state: StoredState) -> dict[str, torch.Tensor]:
    # A merge runs no text through the model, so any sequence length will do.
    return named_tensors(load_model(storage, state, sequence_length=1), None)


def _mark(
    name: str, base: StoredState, states: Sequence[StoredState], origin: MergeOrigin
) -> StateMark:
    corpora: dict[str, CorpusOrigin] = {}
    for state in (*states, base):
        corpora |= state.mark.metadata.corpora
    return StateMark(
        name=name,
        step=0,
        stage="merge",
        optimizer_steps=0,
        tokens=0,
        world_size=1,
        model=base.mark.model,
        metadata=Metadata(corpora=corpora, tokenizer=base.mark.metadata.tokenizer),
        # The merge is measured as its base is, so that their losses can be compared to the bit.
        validation=base.mark.validation,
        previous=None,
        previous_step=0,
        seconds=0.0,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        merged=origin,
        kept=True,
        files={},
    )


def _check_one_model(base: StoredState, state: StoredState) -> None:
    """Raise InputError where tensors of the same shapes mean something else in the two states."""
    remedy = "Merge states of one model only"
    first, own = base.mark.metadata.tokenizer, state.mark.metadata.tokenizer
    if first is not None and own is not None and first != own:
        problem = f"its tokenizer is {own[:12]}, but {first[:12]} in the base {base.name}"
        raise InputError(f"state {state.name}", problem, remedy)
    # In marks of earlier versions a pretrained model has no configuration.
    if not base.mark.model.config or not state.mark.model.config:
        return
    expected, found = (trained_fields(s.mark.model.config) for s in (base, state))
    for field in sorted(expected.keys() | found.keys()):
        if expected.get(field) != found.get(field) and not field.endswith("_token_id"):
            values = f"{found.get(field)!r}, but {expected.get(field)!r}"
            problem = f"the {field} of its model is {values} in the base {base.name}"
            raise InputError(f"state {state.name}", problem, remedy)


def _check_same(
    base: StoredState,
    expected: Mapping[str, torch.Tensor],
    state: StoredState,
    found: Mapping[str, torch.Tensor],
) -> None:
    # A tensor that only one of the two has differs as well: its shape is then "none".
    for tensor in sorted(expected.keys() | found.keys()):
        shapes = [list(w[tensor].shape) if tensor in w else "none" for w in (expected, found)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"state {state.name}",
                f"its tensor {tensor} is {shapes[1]}, but {shapes[0]} in the base {base.name}",
                "Merge states of one model only",
            )
