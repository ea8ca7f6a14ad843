"""Writes states in the background: it copies the tensors at once and writes the mark last."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from raycl.plan.holding import holds_enough
from raycl.states.mark import StateMark, find_mark, remove_state
from raycl.states.tensor_index import index_table, table_bytes
from raycl.storage import Storage, layout
from raycl.train.checkpoint.commit import Share, commit_state
from raycl.train.checkpoint.load import keep_state
from raycl.train.checkpoint.shard import Part, Pieces, Shard, in_file_order, shard_name
from raycl.train.checkpoint.shares import own_share
from raycl.train.checkpoint.snapshot import Snapshot
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.parallel.boxes import NAMES, local_box, local_part
from raycl.train.parallel.world import World


class StateWriter:
    """Writes the states of one node, at most one at a time."""

    def __init__(self, storage: Storage, world: World, keep_last: int) -> None:
        self._storage, self._keep_last = storage, keep_last
        # The loop goes on during a write, and has collectives of its own.
        self._world = replace(world, thread="saves")
        self._intermediates: list[str] = []
        self._snapshot = Snapshot(world.device)
        self._planned: dict[str, tuple[int, ...]] = {}
        self._parts: list[Part] = []
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        # `group` is made on first use, and all ranks have to make it together. The writing threads
        # of the ranks would each do so at their own time.
        _ = self._world.group

    def save(
        self,
        name: str,
        tensors: Mapping[str, torch.Tensor],
        mark: StateMark,
        tables: Mapping[str, bytes],
        kept: bool,
    ) -> None:
        """Copy this rank's share and return; a thread writes the copies (collective).

        On a GPU the copies are only enqueued: call `before_update` before what changes a tensor.
        `mark` becomes state.json, with `kept` and the written files added; `tables` are the files
        beside the tensors, by name. Raises the error of an earlier write, if it had one.
        """
        self.wait()
        parts = self._own_parts(tensors)
        self._snapshot.take([local_part(tensors[part.tensor]) for part in parts])
        mark = mark.model_copy(update={"kept": kept})
        self._thread = threading.Thread(
            target=self._run,
            args=(name, parts, self._snapshot.pieces, mark, tables),
            name=f"raycl-save-{name[:9]}",
            # A process that ends with an error must not wait for a write that may never end.
            daemon=True,
        )
        self._thread.start()

    def before_update(self) -> None:
        """Let the device finish the copies of a save before it changes what they are made of."""
        self._snapshot.hold_updates()

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

    def write(
        self,
        name: str,
        parts: Sequence[Part],
        pieces: Pieces,
        mark: StateMark,
        tables: Mapping[str, bytes],
    ) -> None:
        """Write a state whose numbers are made while they are written (collective).

        `pieces` gives the numbers of this rank's `parts`, one after another.
        """
        # Another sweep may have written the same state meanwhile. Nothing is left to do then,
        # because states of one name have one content.
        if self._world.agree(lambda: self._make_room(name, mark)):
            return
        shard = Shard(shard_name(self._world.rank, mark.holds), parts, pieces)
        self._world.everywhere(lambda: self._write_shard(name, shard))
        shares = self._world.collect(_share(shard) if parts else None)
        self._world.agree(
            lambda: self._commit(name, mark, [s for s in shares if s is not None], tables)
        )
        self._world.gather(None)  # a barrier: no rank goes on before rank 0 has written the mark

    def _own_parts(self, tensors: Mapping[str, torch.Tensor]) -> list[Part]:
        """What this rank writes, in the order of its file; planned once (collective)."""
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        if shapes != self._planned:
            own = [_part(name, tensors[name]) for name in own_share(tensors, self._world)]
            self._parts = in_file_order(own)
            self._planned = shapes
        return self._parts

    def _run(self, *arguments: Any) -> None:
        try:
            if self._world.device.type == "cuda":  # a thread begins with the first device
                torch.cuda.set_device(self._world.device)
            self.write(*arguments)
        except BaseException as error:
            self._error = error

    def _make_room(self, name: str, mark: StateMark) -> bool:
        """Remove what an unfinished write has left. Returns whether the state is complete already.

        A complete state that is now to be kept is marked so. One that holds less stays in its place
        until the new one is complete beside it.
        """
        if (found := find_mark(self._storage, name)) is None:
            self._storage.remove_folder(layout.state(name))
            return False
        if not holds_enough(found.holds, mark.holds):
            return False
        if mark.kept:
            keep_state(self._storage, read_state(self._storage, name))
        return True

    def _write_shard(self, name: str, shard: Shard) -> None:
        if shard.parts:
            path = f"{layout.state(name)}/{shard.file}"
            self._storage.write_stream(path, shard.content, shard.size)

    def _commit(
        self, name: str, mark: StateMark, shares: Iterable[Share], tables: Mapping[str, bytes]
    ) -> None:
        """Write tables, index and mark; then remove older intermediate states (rank 0)."""
        commit_state(self._storage, mark, shares, tables)
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


def _part(name: str, tensor: torch.Tensor) -> Part:
    return Part(name, NAMES[tensor.dtype], tuple(tensor.shape), local_box(tensor))


def _share(shard: Shard) -> Share:
    return shard.file, shard.facts(), table_bytes(index_table(shard.chunks()))
