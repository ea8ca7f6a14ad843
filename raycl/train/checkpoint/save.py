"""Writes states in the background: it copies the tensors at once and writes the mark last."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_saver import save

from raycl.states.lookup import is_complete
from raycl.states.mark import FileFacts, StateMark, remove_state, write_mark
from raycl.storage import Storage, layout, scratch_folder
from raycl.storage.checksum import checksum
from raycl.train.checkpoint.load import keep_state
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.world import World


class StateWriter:
    """Writes the states of one node, at most one at a time."""

    def __init__(self, storage: Storage, world: World, keep_last: int) -> None:
        self._storage, self._world, self._keep_last = storage, world, keep_last
        self._intermediates: list[str] = []
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        # `world.group` makes the group on first use, and all ranks have to make it together. The
        # writing threads of the ranks would each do so at their own time.
        _ = world.group

    def save(
        self,
        name: str,
        tensors: Mapping[str, torch.Tensor],
        mark: StateMark,
        history_file: bytes,
        kept: bool,
    ) -> None:
        """Copy the tensors and return; a thread writes the copies (collective).

        `mark` becomes state.json, with `kept` and the written files added. Raises the error of an
        earlier write, if it had one.
        """
        self.wait()
        copies = {key: tensor.to("cpu", copy=True) for key, tensor in tensors.items()}
        self._thread = threading.Thread(
            target=self._run,
            args=(name, copies, mark.model_copy(update={"kept": kept}), history_file),
            name=f"raycl-save-{name[:9]}",
            # A process that ends with an error must not wait for a write that may never end.
            daemon=True,
        )
        self._thread.start()

    def check(self) -> None:
        """Raise the thread's error, if it has ended with one."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def wait(self) -> None:
        """Wait until the write is done. Raises the thread's error, if it has ended with one."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self.check()

    def _run(self, *arguments: Any) -> None:
        try:
            self._write(*arguments)
        except BaseException as error:
            self._error = error

    def _write(
        self, name: str, tensors: dict[str, torch.Tensor], mark: StateMark, history_file: bytes
    ) -> None:
        # Another sweep may have written the same state meanwhile. Nothing is left to do then,
        # because states of one name have one content.
        if self._world.agree(lambda: self._make_room(name, mark.kept)):
            return
        with ExitStack() as stack:
            folder = self._storage.full_path(layout.state(name))
            if self._storage.local_root is None:
                folder = stack.enter_context(scratch_folder("state"))
            try:
                save(
                    tensors,
                    storage_writer=HuggingFaceStorageWriter(folder, save_distributed=True),
                    process_group=self._world.group,
                    no_dist=self._world.size == 1,
                )
            except CheckpointException as error:
                raise _reason(error, folder) from error
            shares = self._world.everywhere(lambda: self._own_files(Path(folder), name))
        files = {file: facts for share in shares for file, facts in share.items()}
        self._world.agree(lambda: self._commit(name, mark, files, history_file))
        self._world.gather(None)  # a barrier: no rank goes on before rank 0 has written the mark

    def _make_room(self, name: str, kept: bool) -> bool:
        """Remove what an unfinished write has left. Returns whether the state is complete already.

        A complete state that is now to be kept is marked so.
        """
        if is_complete(self._storage, name):
            if kept:
                keep_state(self._storage, read_state(self._storage, name))
            return True
        self._storage.remove_folder(layout.state(name))
        return False

    def _own_files(self, folder: Path, name: str) -> dict[str, FileFacts]:
        """Sizes and checksums of this rank's files. Uploads the files where storage is remote."""
        files: dict[str, FileFacts] = {}
        # PyTorch numbers the shards by rank, from one. A rank without tensors writes no file.
        for path in sorted(folder.glob(f"shard-{self._world.rank + 1:05d}-*.safetensors")):
            files[path.name] = FileFacts(bytes=path.stat().st_size, crc32=checksum(path))
            if self._storage.local_root is None:
                self._storage.upload_file(path, f"{layout.state(name)}/{path.name}")
        return files

    def _commit(
        self, name: str, mark: StateMark, files: dict[str, FileFacts], history_file: bytes
    ) -> None:
        """Write the history, then the mark; then remove older intermediate states (rank 0)."""
        self._storage.write_bytes(layout.state_history(name), history_file)
        facts = FileFacts(bytes=len(history_file), crc32=zlib.crc32(history_file))
        files = {**files, layout.STATE_HISTORY: facts}
        write_mark(self._storage, name, mark.model_copy(update={"files": files}))
        if not mark.kept:
            self._intermediates.append(name)
        # Training can resume from a kept state too, which makes the intermediate ones useless.
        room = 0 if mark.kept else self._keep_last
        while len(self._intermediates) > room:
            self._remove_intermediate(self._intermediates.pop(0))

    def _remove_intermediate(self, name: str) -> None:
        """Remove a state that this run wrote, unless another sweep has marked it as kept since."""
        try:
            if read_state(self._storage, name).kept:
                return
        except FileNotFoundError:
            return
        remove_state(self._storage, name)


def _reason(error: CheckpointException, folder: str) -> OSError:
    """The cause of a failed write, such as a full disk, on the first rank that failed.

    PyTorch's own error is a BaseException, which code that catches Exception would let through.
    """
    rank, (cause, _) = next(iter(error.failures.items()))
    if isinstance(cause, OSError) and cause.errno:
        return OSError(cause.errno, f"{cause.strerror} (worker {rank})", folder)
    return OSError(f"{folder}: cannot be written (worker {rank}: {cause})")
