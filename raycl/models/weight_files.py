"""The tensors of safetensors files in a storage, read by ranges and never whole."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from raycl.errors import InputError
from raycl.models.safetensors_file import TensorPlace, places_in
from raycl.models.start import TensorHeader
from raycl.storage import Storage

_PIECE_BYTES = 32 * 2**20
_AGAIN = "Restore it from a copy"


@dataclass(frozen=True)
class _Stored:
    path: str
    place: TensorPlace


class WeightFiles:
    """The tensors of some safetensors files of a storage.

    Raises InputError, which names the file, where one is missing or no whole safetensors file.
    """

    def __init__(
        self, storage: Storage, paths: Iterable[str], hashes: Mapping[str, str] | None = None
    ) -> None:
        self._storage, self._hashes = storage, hashes or {}
        self._stored = {
            name: _Stored(path, place)
            for path in paths
            for name, place in _places(storage, path).items()
        }
        self.headers: Mapping[str, TensorHeader] = {
            name: stored.place.header for name, stored in self._stored.items()
        }
        """The type and shape of every tensor by its name."""

    def rows(self, name: str, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Rows [first, last) along the first dimension: the number of a row, and bytes from it on.

        Each piece has whole rows, about 32 MiB. A tensor of no dimension is one row.
        """
        stored = self._stored[name]
        rows = (stored.place.header.shape or (1,))[0]
        row_bytes = self.size(name) // max(rows, 1)
        step = max(1, _PIECE_BYTES // max(row_bytes, 1))
        for row in range(first, last, step):
            count = min(step, last - row)
            yield row, self._range(stored, row * row_bytes, count * row_bytes)

    def size(self, name: str) -> int:
        """The number of a tensor's bytes."""
        place = self._stored[name].place
        return place.end - place.begin

    def sha256(self, name: str) -> str:
        """The hash (hex) of a tensor's bytes: the one that was stored, else they are read."""
        return self._hashes.get(name) or self._hashed(name)

    def check(self, names: Iterable[str]) -> None:
        """Read these tensors and compare them with their stored hashes. Raises InputError."""
        for name in names:
            known = self._hashes.get(name)
            if known and self._hashed(name) != known:
                where = self._storage.full_path(self._stored[name].path)
                raise InputError(where, "it does not match its checksum", _AGAIN)

    def _hashed(self, name: str) -> str:
        digest = hashlib.sha256()
        stored, size = self._stored[name], self.size(name)
        for start in range(0, size, _PIECE_BYTES):
            digest.update(self._range(stored, start, min(_PIECE_BYTES, size - start)))
        return digest.hexdigest()

    def _range(self, stored: _Stored, start: int, length: int) -> bytes:
        where = self._storage.full_path(stored.path)
        try:
            data = self._storage.read_range(stored.path, stored.place.begin + start, length)
        except FileNotFoundError as error:
            raise InputError(where, "the file is missing", _AGAIN) from error
        if len(data) != length:
            raise InputError(where, "it became shorter while it was read", _AGAIN)
        return data


def _places(storage: Storage, path: str) -> dict[str, TensorPlace]:
    where = storage.full_path(path)
    try:
        return places_in(partial(storage.read_range, path), storage.size(path), where)
    except FileNotFoundError as error:
        raise InputError(where, "the file is missing", _AGAIN) from error
