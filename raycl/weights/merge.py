"""Merges stored models into one state, which is then a state like any other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from raycl.errors import InputError
from raycl.plan.merge_method import MergeMethod, merged_name
from raycl.states.mark import CorpusOrigin, MergeOrigin, Metadata, StateMark
from raycl.states.reduced import held
from raycl.states.tensor_index import Box, row_boxes, whole
from raycl.storage import Storage
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.shard import Part, in_file_order
from raycl.train.checkpoint.weights import Weights
from raycl.train.history_file import history_file
from raycl.train.parallel.boxes import flat_bytes
from raycl.train.parallel.world import World
from raycl.weights.methods import formula
from raycl.weights.partners import (
    Partner,
    base_partner,
    check_same_model,
    check_same_tensors,
    start_partner,
    state_partner,
)
from raycl.weights.ties import Pair

_SLICE_NUMBERS = 2**23
"""Numbers of each model that are in memory at once."""


def merge_states(
    storage: Storage,
    base: str,
    states: Sequence[str],
    method: MergeMethod,
    instruct: str | None = None,
) -> str:
    """Write the merge of `states`, which were trained from `base`; returns its name.

    `base` is a state, `start` (the pretrained model that the first state began from), or the folder
    of a pretrained model in the storage. `instruct` is the identifier of the model that an instruct
    residual takes. The new state has weights alone, step 0 and no history. It depends on the
    arguments alone, so a merge whose weights storage holds is not made again.

    Raises InputError where a model is unknown, or where tensors do not match.
    """
    if not states:
        raise InputError("merge", "no state is named", "Give at least one beside --base")
    # The order of the states does not change a merge. They are sorted, so that it does not change
    # the name either.
    trained = sorted((state_partner(storage, s) for s in states), key=lambda state: state.name)
    first = base_partner(storage, base, trained[0])
    others = [*trained, *([start_partner(storage, instruct)] if instruct else [])]
    for other in others:
        if not other.state:  # tensors of another vocabulary are what its user knows of
            check_same_tensors(first, other)
        check_same_model(first, other)
    name = merged_name(method, first.name, [other.name for other in others])
    if not held(storage, name, "weights"):
        _write(storage, name, first, others, method)
    return name


def _write(
    storage: Storage, name: str, base: Partner, others: Sequence[Partner], method: MergeMethod
) -> None:
    for other in others:
        check_same_tensors(base, other)
    merge = _Merge(base, others, method)
    mark = _mark(name, base, others, method)
    world = World(0, 1, torch.device("cpu"))
    StateWriter(storage, world, keep_last=0).write(
        name, merge.parts, merge.pieces, mark, history_file([])
    )


class _Merge:
    """A merge that is made slice by slice, so that memory does not grow with the models."""

    def __init__(self, base: Partner, others: Sequence[Partner], method: MergeMethod) -> None:
        self._base, self._models = base.weights, [other.weights for other in others]
        self.parts = in_file_order(
            Part(name, facts.dtype, facts.shape, whole(facts.shape))
            for name, facts in base.tensors.items()
        )
        total = sum(part.box.count for part in self.parts)
        pairs = [_Pairs(self.parts, self._base, model) for model in self._models]
        self._formula = formula(method, pairs, total)

    def pieces(self) -> Iterator[memoryview]:
        """The merged numbers of the parts, one after another."""
        for tensor, box in _slices(self.parts):
            ends = [model.read(tensor, box) for model in self._models]
            found = self._formula(self._base.read(tensor, box), ends)
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


def _mark(name: str, base: Partner, others: Sequence[Partner], method: MergeMethod) -> StateMark:
    states = [partner.state for partner in (*others, base) if partner.state]
    corpora: dict[str, CorpusOrigin] = {}
    for state in states:
        corpora |= state.mark.metadata.corpora
    # The merge is measured as its base is, so that their losses can be compared to the bit; a
    # pretrained base was never trained here, and the first state says how it is measured.
    first = base.state or states[0]
    return StateMark(
        name=name,
        step=0,
        stage="merge",
        optimizer_steps=0,
        tokens=0,
        world_size=1,
        model=first.mark.model,
        metadata=Metadata(corpora=corpora, tokenizer=first.mark.metadata.tokenizer),
        validation=first.mark.validation,
        previous=None,
        previous_step=0,
        seconds=0.0,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        merged=_origin(base, others, method),
        kept=True,
        files={},
    )


def _origin(base: Partner, others: Sequence[Partner], method: MergeMethod) -> MergeOrigin:
    states = tuple(other.name for other in others if other.state)
    weight = float(method.weight)
    if method.density is not None:
        density = float(method.density)
        return MergeOrigin(base=base.name, states=states, density=density, scale=weight)
    instruct = next((other.spec.pretrained for other in others if not other.state), None)
    return MergeOrigin(
        base=base.name, states=states, method=method.kind, weight=weight, instruct=instruct
    )
