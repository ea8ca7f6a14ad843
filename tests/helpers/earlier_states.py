"""A state as earlier versions of raycl wrote it: by PyTorch's writer, without an index."""

from __future__ import annotations

import warnings
from pathlib import Path

import torch
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_saver import save

from raycl.states.mark import FileFacts, write_mark
from raycl.states.tensor_index import whole
from raycl.storage import Storage, layout
from raycl.storage.checksum import checksum
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.stored_tensors import StoredTensors
from raycl.train.parallel.world import World


def write_as_before(storage: Storage, name: str) -> None:
    """Replace the files of a stored state by those that PyTorch's writer makes of its tensors."""
    state = read_state(storage, name)
    stored = StoredTensors(storage, state, World(0, 1, torch.device("cpu")))
    tensors = {n: stored.read(n, whole(facts.shape)) for n, facts in stored.facts.items()}
    folder = Path(storage.full_path(layout.state(name)))
    files = dict(state.mark.files)
    for file in [file for file in files if file != layout.STATE_HISTORY]:
        (folder / file).unlink()
        del files[file]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
        save(dict(tensors), storage_writer=writer, no_dist=True)
    for path in folder.glob("*.safetensors"):
        files[path.name] = FileFacts(bytes=path.stat().st_size, crc32=checksum(path))
    write_mark(storage, name, state.mark.model_copy(update={"files": files}))
