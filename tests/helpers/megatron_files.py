"""Data sets as Megatron-LM's preprocess_data.py writes them, from the description of the format."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

CODES = {"uint8": 1, "int8": 2, "int16": 3, "int32": 4, "int64": 5, "uint16": 8}


def write_megatron(
    prefix: Path,
    documents: Sequence[Sequence[Sequence[int]]],
    dtype: str = "uint16",
    merged: bool = False,
) -> str:
    """Write documents, each of them sequences of ids; the path as in a recipe.

    `merged` writes no ends of documents, as GPT-NeoX's merge_datasets.py does.
    """
    sequences = [sequence for document in documents for sequence in document]
    ids = np.concatenate([np.array(sequence, dtype) for sequence in sequences] or [np.empty(0)])
    lengths = np.array([len(sequence) for sequence in sequences], "<i4")
    places = (np.cumsum(lengths, dtype="<i8") - lengths) * np.dtype(dtype).itemsize
    ends = np.cumsum([0, *(len(document) for document in documents)])
    entries = np.array(ends[:1] if merged else ends, "<i8")
    head = b"MMIDIDX\x00\x00" + struct.pack("<QB", 1, CODES[dtype])
    counts = struct.pack("<QQ", len(sequences), len(entries))
    numbers = b"".join(array.tobytes() for array in (lengths, places.astype("<i8"), entries))
    Path(f"{prefix}.idx").write_bytes(head + counts + numbers)
    Path(f"{prefix}.bin").write_bytes(ids.astype(dtype).tobytes())
    return str(prefix)
