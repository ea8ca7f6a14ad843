"""The weights of a pretrained model in the storage, under the names that they have in states."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import transformers

from raycl.models.weight_files import WeightFiles
from raycl.states.tensor_index import Box, TensorFacts
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.model.language_model import LanguageModel
from raycl.train.start.origins import origins
from raycl.train.start.pretrained import check_complete, stored_numbers, whole_tensor

_PREFIX = "model."


class StartWeights:
    """The weights of a checkpoint as a model of its configuration gets them, in float32.

    Raises InputError, where it is opened, for files that do not have every weight of the model or
    do not match their hashes. `model` may be on the meta device.
    """

    def __init__(self, files: WeightFiles, model: LanguageModel) -> None:
        files.check(files.headers)
        check_complete(model.model, files)
        self._files, self._model = files, model.model
        found = origins(model.model, files.headers)
        self._keys, self._conversions = _first_names(model.model, found.plain), found.conversions
        self._rules = {
            name: rule
            for rule, conversion in found.conversions.items()
            for name in conversion.apply(self._empty, model.model)
        }
        self._made: tuple[str, dict[str, torch.Tensor]] = ("", {})
        known = self._keys.keys() | self._rules.keys()
        self._facts = {
            name: TensorFacts("F32", tuple(tensor.shape), 0, 0)
            for name, tensor in named_tensors(model, None).items()
            if name.removeprefix(_PREFIX) in known
        }

    @property
    def facts(self) -> Mapping[str, TensorFacts]:
        """Type and shape of each tensor, by its name."""
        return self._facts

    def read(self, tensor: str, box: Box) -> torch.Tensor:
        """A part of a tensor, on the CPU.

        A tensor that transformers makes of others, such as experts, is made whole for it.
        """
        name = tensor.removeprefix(_PREFIX)
        if name in self._keys:
            return self._stored(self._keys[name], box)
        return self._converted(name)[_places(box)].clone()

    def _stored(self, key: str, box: Box) -> torch.Tensor:
        header = self._files.headers[key]
        if not header.shape:
            return whole_tensor(self._files, key)
        values = torch.empty((box.sizes[0], *header.shape[1:]))
        first = box.offsets[0]
        for row, data in self._files.rows(key, first, first + box.sizes[0]):
            piece = stored_numbers(data, header.dtype).view(-1, *header.shape[1:])
            values[row - first : row - first + len(piece)].copy_(piece)
        _, *others = _places(box)
        return values[:, *others].contiguous()

    def _converted(self, name: str) -> torch.Tensor:
        rule = self._rules[name]
        if rule != self._made[0]:  # those of one rule are read one after another
            made = self._conversions[rule].apply(self._whole, self._model)
            self._made = rule, {one: values.float() for one, values in made.items()}
        return self._made[1][name]

    def _whole(self, key: str) -> torch.Tensor:
        return whole_tensor(self._files, key)

    def _empty(self, key: str) -> torch.Tensor:
        return torch.empty(self._files.headers[key].shape, device="meta")


def _first_names(model: transformers.PreTrainedModel, keys: Mapping[str, str]) -> dict[str, str]:
    """The key of each tensor by its first name: a tied head has the embedding's alone."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    first = {id(tensor): name for name, tensor in reversed(parameters.items())}
    return {first[id(parameters[n])] if n in parameters else n: key for n, key in keys.items()}


def _places(box: Box) -> tuple[slice, ...]:
    pairs = zip(box.offsets, box.sizes, strict=True)
    return tuple(slice(offset, offset + size) for offset, size in pairs)
