"""The identifier of a model's weights: what they are, whatever the files that hold them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from raycl.errors import InputError
from raycl.models.hash_cache import file_key, known_hashes, remember_hashes
from raycl.models.safetensors_file import tensor_places
from raycl.models.start import TensorHeader

_BLOCK = 16 * 2**20


def hashed_tensors(
    headers: Mapping[str, tuple[Path, TensorHeader]],
) -> dict[str, TensorHeader]:
    """The headers with the hashes of their tensors' bytes. Files are streamed.

    Raises InputError where a file changes while it is read.
    """
    hashes = {file: tensor_hashes(file) for file in {file for file, _ in headers.values()}}
    return {
        name: replace(header, sha256=hashes[file][name]) for name, (file, header) in headers.items()
    }


def identifier_of(tensors: Mapping[str, TensorHeader]) -> str:
    """SHA-256 (hex) over each tensor's name, type, shape and bytes, in the order of the names.

    How tensors are spread over files, their order there and the files' metadata change nothing.
    """
    whole = hashlib.sha256()
    for name in sorted(tensors):
        header = tensors[name]
        line = [name, header.dtype, list(header.shape), header.sha256]
        whole.update(json.dumps(line).encode() + b"\n")
    return whole.hexdigest()


def tensor_hashes(path: Path) -> dict[str, str]:
    """SHA-256 (hex) of the bytes of every tensor of a safetensors file, by name.

    A file that has not been touched since it was hashed is not read again.
    """
    key = file_key(path)
    known = known_hashes(key)
    if known is not None:
        return known
    hashes = _hashed(path)
    if file_key(path) != key:
        raise InputError(str(path), "it changed while it was read", "Run again when it is written")
    remember_hashes(key, hashes)
    return hashes


def _hashed(path: Path) -> dict[str, str]:
    hashes = {}
    places = sorted(tensor_places(path).items(), key=lambda item: item[1].begin)
    with path.open("rb") as file:
        for name, place in places:
            digest, left = hashlib.sha256(), place.end - place.begin
            file.seek(place.begin)
            while left and (block := file.read(min(left, _BLOCK))):
                digest.update(block)
                left -= len(block)
            hashes[name] = digest.hexdigest()
    return hashes
