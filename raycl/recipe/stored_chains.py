"""The chains of stored sweeps, made again from their recipes and the corpora of the storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import yaml

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.recipe.definition import corpus_facts, definition_of, trainings
from raycl.storage import Storage, layout


def stored_chains(storage: Storage) -> Callable[[str], Mapping[str, tuple[Chain, int]]]:
    """A function that gives the chain and `keep_last` of every recipe of a stored sweep, by label.

    It gives an empty mapping where a recipe cannot be resolved any more: its file or a corpus is
    gone, or another raycl wrote it. Files that sweeps share are read once.
    """
    files = _ReadOnce(storage)

    def chains_of(sweep: str) -> Mapping[str, tuple[Chain, int]]:
        path = layout.sweep_recipe(sweep)
        try:
            definition = definition_of(yaml.safe_load(files.read_bytes(path)), path)
            whole = trainings(definition, corpus_facts(definition, files))
        except (InputError, FileNotFoundError, yaml.YAMLError):
            return {}
        return {
            label: (training.chain, training.execution.keep_last)
            for label, training in whole.items()
        }

    return chains_of


class _ReadOnce(Storage):
    """A storage that reads each file once: the sweeps of a storage share their corpora."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage.url, storage.options, storage.retries)
        self._there: dict[str, bool] = {}
        self._read: dict[str, bytes] = {}

    def exists(self, path: str) -> bool:
        if path not in self._there:
            self._there[path] = super().exists(path)
        return self._there[path]

    def read_bytes(self, path: str) -> bytes:
        if path not in self._read:
            self._read[path] = super().read_bytes(path)
        return self._read[path]
