"""Merges stored models into one state, which is then a state like any other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch

from raycl.errors import InputError
from raycl.plan.merge_method import MergeMethod, merged_name
from raycl.states.mark import CorpusOrigin, MergeOrigin, Metadata, StateMark
from raycl.states.reduced import held
from raycl.states.tensor_index import Box, TensorFacts, row_boxes, whole
from raycl.storage import Storage
from raycl.storage.layout import STATE_HISTORY
from raycl.train.checkpoint.save import StateWriter
from raycl.train.checkpoint.shard import Part, in_file_order
from raycl.train.checkpoint.weights import Weights
from raycl.train.history_file import history_file
from raycl.train.parallel.boxes import flat_bytes, slices
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
    made = planned_merge(storage, base, states, method, instruct)
    if not held(storage, made.name, "weights"):
        _write(storage, made)
    return made.name


@dataclass(frozen=True)
class Merge:
    """The models of a merge, which were found to fit each other, and its name."""

    base: Partner
    others: tuple[Partner, ...]
    method: MergeMethod

    @property
    def name(self) -> str:
        """The name of the merged state."""
        return merged_name(self.method, self.base.name, [other.name for other in self.others])

    @property
    def mark(self) -> StateMark:
        """The mark of the merged state, without its files."""
        return _mark(self.name, self.base, self.others, self.method)

    def weights(self) -> MergedWeights:
        """The merged weights. Raises InputError where tensors do not match."""
        for other in self.others:
            check_same_tensors(self.base, other)
        return MergedWeights(self.base, self.others, self.method)


def planned_merge(
    storage: Storage,
    base: str,
    states: Sequence[str],
    method: MergeMethod,
    instruct: str | None = None,
) -> Merge:
    """The merge that `merge_states` writes, before it is made. Raises InputError likewise."""
    if not states:
        raise InputError("merge", "no state is named", "Give at least one beside --base")
    # The order of the states does not change a merge. They are sorted, so that it does not change
    # the name either.
    found = [state_partner(storage, reference) for reference in states]
    method, _ = method.in_order([state.name for state in found])
    trained = sorted(found, key=lambda state: state.name)
    first = base_partner(storage, base, trained[0])
    others = (*trained, *([start_partner(storage, instruct)] if instruct else []))
    for other in others:
        if not other.state:  # tensors of another vocabulary are what its user knows of
            check_same_tensors(first, other)
        check_same_model(first, other)
    return Merge(first, others, method)


def _write(storage: Storage, made: Merge) -> None:
    merged = made.weights()
    world = World(0, 1, torch.device("cpu"))
    StateWriter(storage, world, keep_last=0).write(
        made.name, merged.parts, merged.pieces, made.mark, {STATE_HISTORY: history_file([])}
    )


class MergedWeights:
    """The weights of a merge, made slice by slice, so that memory does not grow with the models."""

    def __init__(self, base: Partner, others: Sequence[Partner], method: MergeMethod) -> None:
        self._base, self._models = base.weights, [other.weights for other in others]
        self.parts = in_file_order(
            Part(name, facts.dtype, facts.shape, whole(facts.shape))
            for name, facts in base.tensors.items()
        )
        self._facts = base.tensors
        total = sum(part.box.count for part in self.parts)
        pairs = [_Pairs(self.parts, self._base, model) for model in self._models]
        self._formula = formula(method, pairs, total)

    def pieces(self) -> Iterator[memoryview]:
        """The merged numbers of the parts, one after another."""
        for tensor, box in _slices(self.parts):
            yield flat_bytes(self.read(tensor, box).contiguous()).numpy().data

    @property
    def facts(self) -> Mapping[str, TensorFacts]:
        """Type and shape of each tensor, by its name."""
        return self._facts

    def read(self, tensor: str, box: Box) -> torch.Tensor:
        """A part of a merged tensor, on the CPU."""
        ends = [model.read(tensor, box) for model in self._models]
        return self._formula(self._base.read(tensor, box), ends)

    @torch.no_grad()
    def fill(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Write the merged numbers into whole tensors of these names, slice by slice."""
        for tensor, box in _slices(self.parts):
            tensors[tensor][slices(box)] = self.read(tensor, box)


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
    if method.weights:
        weights = tuple(float(one) for one in method.weights)
        return MergeOrigin(base=base.name, states=states, method=method.kind, weights=weights)
    if method.density is not None:
        density = float(method.density)
        return MergeOrigin(base=base.name, states=states, density=density, scale=weight)
    instruct = next((other.spec.pretrained for other in others if not other.state), None)
    return MergeOrigin(
        base=base.name, states=states, method=method.kind, weight=weight, instruct=instruct
    )
