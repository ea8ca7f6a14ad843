"""Merges stored states into one, which is then a state like any other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

import torch

from raycl.errors import InputError
from raycl.plan.model_fields import trained_fields
from raycl.states.lookup import find_state, is_complete
from raycl.states.mark import CorpusOrigin, MergeOrigin, Metadata, StateMark
from raycl.states.tensor_index import Box, TensorFacts, row_boxes, whole
from raycl.storage import Storage
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.shard import Part, in_file_order
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.checkpoint.weights import Weights, state_weights
from raycl.train.history_file import history_file
from raycl.train.parallel.boxes import flat_bytes
from raycl.train.parallel.world import World
from raycl.weights.ties import Pair, merged, threshold

_FORMAT = 1
"""Part of a merge's name. Raise it when the meaning of a merge changes, so that no old state is
taken for a new one."""
_SLICE_NUMBERS = 2**23
"""Numbers of each model that are in memory at once."""


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
    stored = [state_weights(storage, state) for state in (base, *states)]
    for state, found in zip(states, stored[1:], strict=True):
        _check_same(base, _weights(stored[0]), state, _weights(found))
    merge = _Merge(stored[0], stored[1:], density, scale)
    origin = MergeOrigin(
        base=base.name,
        states=tuple(state.name for state in states),
        density=float(density),
        scale=float(scale),
    )
    mark = _mark(name, base, states, origin)
    StateWriter(storage, world, keep_last=0).write(
        name, merge.parts, merge.pieces, mark, history_file([])
    )


class _Merge:
    """A merge that is made slice by slice, so that memory does not grow with the models."""

    def __init__(
        self,
        base: Weights,
        models: Sequence[Weights],
        density: Fraction,
        scale: float,
    ) -> None:
        self._base, self._models, self._scale = base, models, scale
        self.parts = in_file_order(
            Part(name, facts.dtype, facts.shape, whole(facts.shape))
            for name, facts in _weights(base).items()
        )
        total = sum(part.box.count for part in self.parts)
        self._thresholds = [
            threshold(_Pairs(self.parts, base, model), total, density) for model in models
        ]

    def pieces(self) -> Iterator[memoryview]:
        """The merged numbers of the parts, one after another."""
        for tensor, box in _slices(self.parts):
            ends = [model.read(tensor, box) for model in self._models]
            found = merged(self._base.read(tensor, box), ends, self._thresholds, self._scale)
            yield flat_bytes(found.contiguous()).numpy().data


@dataclass(frozen=True)
class _Pairs:
    """The same slices of the base and of a model, read anew whenever they are gone over."""

    parts: Sequence[Part]
    base: Weights
    model: Weights

    def __iter__(self) -> Iterator[Pair]:
        for tensor, box in _slices(self.parts):
            yield self.base.read(tensor, box), self.model.read(tensor, box)


def _slices(parts: Sequence[Part]) -> Iterator[tuple[str, Box]]:
    return ((part.tensor, box) for part in parts for box in row_boxes(part.shape, _SLICE_NUMBERS))


def _weights(stored: Weights) -> Mapping[str, TensorFacts]:
    return {name: facts for name, facts in stored.facts.items() if name.startswith("model.")}


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
    expected: Mapping[str, TensorFacts],
    state: StoredState,
    found: Mapping[str, TensorFacts],
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
