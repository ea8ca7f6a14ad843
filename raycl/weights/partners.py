"""The models that take part in a merge: states, and the pretrained models they began from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from raycl.errors import InputError
from raycl.models.start import Start
from raycl.models.store import folder_weights, has_start, start_weights, stored_start
from raycl.models.weight_files import WeightFiles
from raycl.plan.merge_method import START
from raycl.plan.model_fields import trained_fields
from raycl.plan.training import ModelSpec
from raycl.states.lookup import find_state
from raycl.states.tensor_index import TensorFacts
from raycl.storage import Storage, layout
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.checkpoint.weights import Weights, state_weights
from raycl.train.model.language_model import empty_model
from raycl.weights.start import StartWeights

_REMEDY = "Merge models of one kind only"
_NO_MEANING = ("max_position_embeddings",)
"""Fields that change no number of a forward pass on rows that both models can read."""


@dataclass(frozen=True)
class Partner:
    """One model of a merge."""

    name: str
    """The name of a state, or the folder in the storage of a pretrained model."""
    storage: Storage
    spec: ModelSpec
    state: StoredState | None = None
    """None where it is a pretrained model."""
    files: WeightFiles | None = None
    """The weights of a pretrained model that is not in the storage yet."""

    @property
    def title(self) -> str:
        """What it is called in messages."""
        return f"state {self.name}" if self.state else f"model {self.short}"

    @property
    def short(self) -> str:
        """Its name in the second half of a sentence."""
        return self.name if self.state else str(self.spec.pretrained)

    @property
    def tokenizer(self) -> str | None:
        """Fingerprint of its tokenizer, where it is known."""
        return self.state.mark.metadata.tokenizer if self.state else None

    @cached_property
    def weights(self) -> Weights:
        """Its weights. Raises InputError where a file is damaged or missing."""
        if self.state is not None:
            return state_weights(self.storage, self.state)
        files = self.files or start_weights(self.storage, str(self.spec.pretrained))
        return StartWeights(files, empty_model(self.spec, 1))

    @property
    def tensors(self) -> Mapping[str, TensorFacts]:
        """The tensors of its model, without those of an optimizer."""
        return {n: facts for n, facts in self.weights.facts.items() if n.startswith("model.")}


def state_partner(storage: Storage, reference: str) -> Partner:
    """The state of that name or beginning. Raises InputError where there is none."""
    state = read_state(storage, find_state(storage, reference))
    return Partner(state.name, storage, state.mark.model, state)


def start_partner(storage: Storage, identifier: str) -> Partner:
    """The pretrained model of the storage with that identifier. Raises InputError."""
    start = stored_start(storage, identifier, identifier)
    if start is None:
        where = storage.full_path(layout.start(identifier))
        remedy = "Run the sweep again where the model's folder is, or restore it from a copy"
        raise InputError(where, "the pretrained model is not in storage", remedy)
    return _of_start(storage, start)


def folder_partner(storage: Storage, start: Start) -> Partner:
    """A pretrained model as its own folder has it, before the storage has a copy."""
    if start.folder is None:
        return start_partner(storage, start.identifier)
    return replace(_of_start(storage, start), files=folder_weights(start.folder))


def _of_start(storage: Storage, start: Start) -> Partner:
    spec = ModelSpec(config=trained_fields(start.config), pretrained=start.identifier)
    return Partner(layout.start(start.identifier), storage, spec)


def base_partner(storage: Storage, base: str, state: Partner) -> Partner:
    """The base of a merge: a state, `start`, or the folder in the storage of a pretrained model.

    Raises InputError where it is not there, and for the start of a state that has none.
    """
    if base.startswith(layout.start("")):
        return start_partner(storage, base.removeprefix(layout.start("")))
    if base != START:
        return state_partner(storage, base)
    identifier = state.spec.pretrained
    if identifier is None:
        raise InputError(
            f"--base {START}",
            f"the training of {state.title} began from random weights, which know nothing",
            "Name a state with --base, such as the end of an earlier stage",
        )
    if not has_start(storage, identifier):
        raise InputError(
            f"--base {START}",
            f"{state.title} began from {identifier[:64]}, which is not in storage",
            "Put it there with `raycl models add FOLDER --storage URL`",
        )
    return start_partner(storage, identifier)


def check_same_model(base: Partner, other: Partner) -> None:
    """Raise InputError where tensors of the same shapes mean something else in the two models."""
    first, own = base.tokenizer, other.tokenizer
    if first is not None and own is not None and first != own:
        problem = f"its tokenizer is {own}, but {first} in the base {base.short}"
        raise InputError(other.title, problem, _REMEDY)
    for field, expected, found in _differences(base, other):
        values = f"{found!r}, but {expected!r}"
        problem = f"the {field} of its model is {values} in the base {base.short}"
        raise InputError(other.title, problem, _REMEDY)


def _differences(base: Partner, other: Partner) -> Iterator[tuple[str, Any, Any]]:
    """Fields of the configurations that differ, and their values in both."""
    # In marks of earlier versions a pretrained model has no configuration.
    if not base.spec.config or not other.spec.config:
        return
    expected, found = (trained_fields(partner.spec.config) for partner in (base, other))
    if expected != found and not (base.state and other.state):
        # Two files may leave out different fields that have their defaults.
        expected, found = _whole_fields(base), _whole_fields(other)
    for field in sorted(expected.keys() | found.keys()):
        if field.endswith("_token_id") or field in _NO_MEANING:
            continue
        if expected.get(field) != found.get(field):
            yield field, expected.get(field), found.get(field)


def _whole_fields(partner: Partner) -> dict[str, Any]:
    return trained_fields(empty_model(partner.spec, 1).model.config.to_dict())


def check_same_tensors(base: Partner, other: Partner) -> None:
    """Raise InputError, which names the tensor, where the two models differ in one."""
    expected, found = base.tensors, other.tensors
    # A tensor that only one of the two has differs as well: its shape is then "none".
    for tensor in sorted(expected.keys() | found.keys()):
        shapes = [list(w[tensor].shape) if tensor in w else "none" for w in (expected, found)]
        if shapes[0] != shapes[1]:
            problem = (
                f"its tensor {tensor} is {shapes[1]}, but {shapes[0]} in the base {base.short}"
            )
            raise InputError(other.title, problem, _REMEDY)
