"""The tokenizer that came with a pretrained model, from its folder or from its storage."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.reference import tokenizer_in
from raycl.models.start import Start
from raycl.storage import Storage, layout

_WEIGHTS = ".safetensors"


def own_files(start: Start, storage: Storage | None) -> TokenizerFiles | None:
    """The files of a model's own tokenizer; None where none came with it. Raises InputError."""
    if start.folder is not None:
        return tokenizer_in(start.folder, start.reference)
    if storage is None:
        return None
    with TemporaryDirectory() as folder:
        stored = layout.start(start.identifier)
        for name in storage.list(stored):
            if not name.endswith(_WEIGHTS):
                (Path(folder) / name).write_bytes(storage.read_bytes(f"{stored}/{name}"))
        return tokenizer_in(Path(folder), start.reference)
