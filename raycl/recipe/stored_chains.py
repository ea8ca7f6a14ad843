"""The chains of stored sweeps, made again from their recipes and the corpora of the storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.recipe.definition import corpus_facts, trainings
from raycl.recipe.resolution import stored_resolution
from raycl.recipe.stored_recipe import read_recipe
from raycl.storage import Storage


def stored_chains(storage: Storage) -> Callable[[str], Mapping[str, tuple[Chain, int]]]:
    """A function that gives the chain and `keep_last` of every recipe of a stored sweep, by label.

    It gives an empty mapping where a recipe cannot be resolved any more: its file or a corpus is
    gone, or another raycl wrote it. Files that sweeps share are read once.
    """
    files = _ReadOnce(storage)

    def chains_of(sweep: str) -> Mapping[str, tuple[Chain, int]]:
        try:
            definition = read_recipe(files, sweep)
            resolution = stored_resolution(files, sweep)
            whole = trainings(definition, corpus_facts(definition, files), resolution)
        except (InputError, FileNotFoundError):
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
        self._contents: dict[str, bytes] = {}

    def exists(self, path: str) -> bool:
        if path not in self._there:
            self._there[path] = super().exists(path)
        return self._there[path]

    def read_bytes(self, path: str) -> bytes:
        if path not in self._contents:
            self._contents[path] = super().read_bytes(path)
        return self._contents[path]
