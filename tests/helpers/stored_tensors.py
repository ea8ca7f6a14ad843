"""What a tiny training left in its storage: tensors and history of its states."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file

from raycl.storage import Storage
from tests.helpers.training_runs import make_task


def state_folder(storage: Storage, step: int, **fields: Any) -> Path:
    assert storage.local_root is not None
    return storage.local_root / "states" / make_task(**fields).chain.name(step)


def tensors(storage: Storage, step: int, **fields: Any) -> dict[str, torch.Tensor]:
    """All tensors of a state; the parts of several ranks joined along dimension 0."""
    return tensors_in(state_folder(storage, step, **fields))


def tensors_in(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of the state in a folder, as `tensors` gives them."""
    parts: dict[str, list[torch.Tensor]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        for name, tensor in load_file(file).items():
            parts.setdefault(name, []).append(tensor)
    return {name: torch.cat(tensors) for name, tensors in parts.items()}


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def history(storage: Storage, step: int, **fields: Any) -> list[dict[str, Any]]:
    data = (state_folder(storage, step, **fields) / "history.parquet").read_bytes()
    lines: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    return lines
