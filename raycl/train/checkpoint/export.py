"""Writes a state's model as a Hugging Face folder, slice by slice, without holding it in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
import transformers
from transformers.core_model_loading import revert_weight_conversion

from raycl.errors import InputError
from raycl.states.tensor_index import TensorFacts, row_boxes
from raycl.storage import Storage, layout
from raycl.train.checkpoint.cast import TORCH_DTYPES, CastWeights, Dtype, cast
from raycl.train.checkpoint.load import check_fits, load_model
from raycl.train.checkpoint.shard import safetensors_header, whole_bytes
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.checkpoint.weights import Weights, state_weights
from raycl.train.model.language_model import LanguageModel, empty_model, save_hugging_face
from raycl.train.parallel.boxes import flat_bytes

FILE_BYTES = 5 * 10**9
"""The most of one file; a tensor that is larger has a file of its own."""
_SLICE_NUMBERS = 2**24
_PREFIX = "model."
_INDEX = "model.safetensors.index.json"


def export_hugging_face(
    storage: Storage,
    name: str,
    folder: Path,
    file_bytes: int = FILE_BYTES,
    dtype: Dtype = "float32",
) -> None:
    """Write the state's model as a Hugging Face folder: config.json and safetensors.

    Its configuration says float32, whatever `dtype` the weights are cast to. Raises InputError
    where the state is missing or damaged, and where a weight is too large for the type.
    """
    try:
        state = read_state(storage, name)
    except FileNotFoundError as error:
        where = storage.full_path(layout.state(name))
        raise InputError(where, "there is no complete state", "See `raycl status`") from error
    model = empty_model(state.mark.model, 1, ("sdpa", "eager"))
    if not _is_saved_as_it_is(model.model):
        model = load_model(storage, state, sequence_length=1)
        save_hugging_face(model, folder, file_bytes, _cast_weights(model, dtype))
        return
    stored = CastWeights(state_weights(storage, state), dtype)
    save_hugging_face(model, folder, file_bytes, weights={})
    _write_weights(stored, _saved(model, stored, storage, state), folder, file_bytes)


def _is_saved_as_it_is(model: transformers.PreTrainedModel) -> bool:
    """Whether `save_pretrained` writes the parameters under their own names, and unchanged.

    It joins or splits the weights of some model types, such as experts. Where two parameters are
    one, it may also keep another name than the first.
    """
    weights = model.state_dict()
    names = {name for name, _ in model.named_parameters()}
    again = {id(p): n for n, p in model.named_parameters(remove_duplicate=False) if n not in names}
    shared = {name for name, parameter in model.named_parameters() if id(parameter) in again}
    # The names that transformers leaves out have no public list.
    dropped = set(getattr(model, "_tied_weights_keys", None) or ())
    ignored = getattr(model, "_keys_to_ignore_on_save", None)
    unchanged = revert_weight_conversion(model, weights) is weights
    return unchanged and not ignored and not shared & dropped


def _cast_weights(model: LanguageModel, dtype: Dtype) -> dict[str, torch.Tensor] | None:
    """The model's weights in that type; None where they have it already."""
    if dtype == "float32":
        return None
    made: dict[int, torch.Tensor] = {}
    weights: dict[str, torch.Tensor] = {}
    for name, tensor in model.model.state_dict().items():
        if tensor.is_floating_point():
            # Tied weights stay one tensor, so that they are written once.
            if tensor.data_ptr() not in made:
                made[tensor.data_ptr()] = cast(name, tensor, TORCH_DTYPES[dtype])
            tensor = made[tensor.data_ptr()]
        weights[name] = tensor
    return weights


def _saved(
    model: LanguageModel, stored: Weights, storage: Storage, state: StoredState
) -> list[str]:
    """The state's names of the tensors to write. Raises InputError where one does not fit."""
    wanted = named_tensors(model, None)
    check_fits(stored.facts, model, wanted, storage.full_path(layout.state(state.name)))
    return [name for name in wanted if name in stored.facts]


def _write_weights(stored: Weights, names: Sequence[str], folder: Path, file_bytes: int) -> None:
    groups = list(_groups(names, stored.facts, file_bytes))
    files = [f"model-{n + 1:05d}-of-{len(groups):05d}.safetensors" for n in range(len(groups))]
    if len(groups) == 1:
        files = ["model.safetensors"]
    for file, group in zip(files, groups, strict=True):
        with (folder / file).open("wb") as stream:
            for piece in _content(stored, group):
                stream.write(piece)
    if len(groups) > 1:
        places = zip(files, groups, strict=True)
        weight_map = {n.removeprefix(_PREFIX): file for file, group in places for n in group}
        total = sum(_bytes(stored.facts[name]) for name in names)
        index = {"metadata": {"total_size": total}, "weight_map": weight_map}
        (folder / _INDEX).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def _groups(
    names: Sequence[str], facts: Mapping[str, TensorFacts], file_bytes: int
) -> Iterator[list[str]]:
    """The tensors of each file, in order."""
    group: list[str] = []
    room = file_bytes
    for name in names:
        size = _bytes(facts[name])
        if group and size > room:
            yield group
            group, room = [], file_bytes
        group.append(name)
        room -= size
    yield group


def _bytes(facts: TensorFacts) -> int:
    return whole_bytes(facts.dtype, facts.shape)


def _content(stored: Weights, names: Sequence[str]) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file of these tensors."""
    facts = [(name, stored.facts[name]) for name in names]
    entries = ((name.removeprefix(_PREFIX), f.dtype, f.shape) for name, f in facts)
    yield safetensors_header(entries, {"format": "pt"})
    for name, found in facts:
        for box in row_boxes(found.shape, _SLICE_NUMBERS):
            yield flat_bytes(stored.read(name, box)).numpy().data
