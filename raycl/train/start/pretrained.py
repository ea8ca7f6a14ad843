"""Reads the weights of a checkpoint into a model; a rank reads the rows that it holds."""

from __future__ import annotations

from collections.abc import Collection

import torch
import transformers

from raycl.errors import InputError
from raycl.models.weight_files import WeightFiles
from raycl.train.parallel.boxes import DTYPES, keep_share, local_box, local_part, slices
from raycl.train.parallel.world import World
from raycl.train.start.keys import UNTIE, missing_keys
from raycl.train.start.origins import origins

_WHERE = "model.pretrained"


def read_weights(model: transformers.PreTrainedModel, files: WeightFiles, world: World) -> None:
    """Fill the model with the tensors of a checkpoint, as float32 (collective).

    The ranks share the work of comparing all tensors with their hashes. Tensors that transformers
    merges or splits, such as experts, are read whole, those of one weight at a time. Raises
    InputError where a tensor is damaged, and where the files do not have every weight of the
    model: one that is missing would otherwise be drawn at random.
    """
    headers = files.headers
    largest_first = sorted(headers, key=files.size, reverse=True)
    world.everywhere(lambda: files.check(largest_first[world.rank :: world.size]))
    world.everywhere(lambda: _read(model, files))


def check_complete(model: transformers.PreTrainedModel, files: WeightFiles) -> None:
    """Raise InputError where the files lack a weight, or untie what the configuration ties."""
    _check_missing(missing_keys(model, files.headers))
    _check_tied(model, files)


@torch.no_grad()
def _read(model: transformers.PreTrainedModel, files: WeightFiles) -> None:
    check_complete(model, files)
    found, places = origins(model, files.headers), _places(model)
    filled = set()
    for name, key in found.plain.items():
        if id(places[name]) not in filled:
            _copy_rows(files, key, name, places[name])
            filled.add(id(places[name]))
    for conversion in found.conversions.values():
        try:
            made = conversion.apply(lambda key: whole_tensor(files, key), model)
        except Exception as error:  # whatever a rule raises for tensors that it cannot take
            problem = f"{conversion.weight} cannot be made from the checkpoint ({error})"
            remedy = "Save the model with a current transformers"
            raise InputError(_WHERE, problem, remedy) from error
        for name, values in made.items():
            _check_shape(name, values.shape, places[name])
            keep_share(places[name], values)
            filled.add(id(places[name]))
    _check_missing([n for n, p in model.named_parameters() if id(p) not in filled])


def _places(model: transformers.PreTrainedModel) -> dict[str, torch.Tensor]:
    """Parameters under all their names, and the buffers."""
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers()),
    }


def _copy_rows(files: WeightFiles, key: str, name: str, place: torch.Tensor) -> None:
    """Read the rows of the block that this rank holds, in pieces."""
    header = files.headers[key]
    _check_shape(name, torch.Size(header.shape), place)
    if not header.shape:
        keep_share(place, whole_tensor(files, key))
        return
    rows, *others = slices(local_box(place))
    values = local_part(place)
    for first, data in files.rows(key, rows.start, rows.stop):
        piece = stored_numbers(data, header.dtype).view(-1, *header.shape[1:])
        at = first - rows.start
        values[at : at + len(piece)].copy_(piece[:, *others])


def whole_tensor(files: WeightFiles, key: str) -> torch.Tensor:
    """A tensor of the files, in float32."""
    header = files.headers[key]
    values = torch.empty(header.shape)
    flat = values.view(-1)
    end = 0
    for _, data in files.rows(key, 0, (header.shape or (1,))[0]):
        piece = stored_numbers(data, header.dtype)
        flat[end : end + len(piece)].copy_(piece)
        end += len(piece)
    return values


def stored_numbers(data: bytes, dtype: str) -> torch.Tensor:
    """The numbers in a tensor's bytes, one dimension; `dtype` has the name of safetensors."""
    # PyTorch warns where the memory of a tensor cannot be written, so this is a copy.
    return torch.frombuffer(bytearray(data), dtype=DTYPES[dtype])


def _check_shape(name: str, shape: torch.Size, place: torch.Tensor) -> None:
    if shape != place.shape:
        raise InputError(
            _WHERE,
            f"{name} is {list(shape)}, but {list(place.shape)} by config.json",
            "Give config.json and weights of one model",
        )


def _check_missing(names: Collection[str]) -> None:
    if names:
        raise InputError(
            _WHERE,
            f"{len(names)} weights of the model are not in the checkpoint: {min(names)}, …",
            "Save the whole causal language model with `save_pretrained`",
        )


def _check_tied(model: transformers.PreTrainedModel, files: WeightFiles) -> None:
    """Raise InputError where weights that config.json ties differ."""
    for one, other in model.get_expanded_tied_weights_keys(all_submodels=True).items():
        both = one in files.headers and other in files.headers
        if both and files.sha256(one) != files.sha256(other):
            problem = f"{one} and {other} differ, but config.json ties them"
            raise InputError(_WHERE, problem, UNTIE)
