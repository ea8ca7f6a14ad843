"""A copy of a rank's share of a state in host memory, while training goes on.

The copy is the content of the rank's file in the file's own order, in slabs that are used again
from save to save. On a GPU the slabs are pinned and filled by a stream beside the one that
computes: training enqueues the copies and goes on, and waits (on the device, not on the host) only
before it changes what is copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from raycl.train.parallel.boxes import flat_bytes

_SLAB_BYTES = 64 * 2**20
"""A power of two: PyTorch rounds pinned memory up to one."""


class Snapshot:
    """Host memory for the tensors of one save at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._slabs: list[torch.Tensor] = []
        self._bytes = 0
        self._stream: torch.cuda.Stream | None = None
        self._copied: torch.cuda.Event | None = None

    def take(self, parts: Sequence[torch.Tensor]) -> None:
        """Copy the tensors, one after another; those on a GPU are copied in the background."""
        self._reserve(sum(part.numel() * part.element_size() for part in parts))
        if self._device.type != "cuda":
            self._copy(parts)
            return
        self._stream = self._stream or torch.cuda.Stream(self._device)
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            self._copy(parts)
            self._copied = self._stream.record_event()

    def hold_updates(self) -> None:
        """Make what is enqueued on the device from now on wait until the copies are made."""
        if self._copied is not None:
            torch.cuda.current_stream(self._device).wait_event(self._copied)

    def pieces(self) -> Iterator[memoryview]:
        """The bytes of the copies, in order; waits until they are made. For the writing thread."""
        if self._copied is not None:
            self._copied.synchronize()
        left = self._bytes
        for slab in self._slabs:
            if left > 0:
                yield slab.numpy().data[:left]
            left -= len(slab)

    def _reserve(self, size: int) -> None:
        """Have slabs for so many bytes. All but the last are full ones."""
        self._bytes = size
        held = sum(map(len, self._slabs))
        if size > held and self._slabs and len(self._slabs[-1]) < _SLAB_BYTES:
            held -= len(self._slabs.pop())
        for begin in range(held, size, _SLAB_BYTES):
            length = min(_SLAB_BYTES, size - begin)
            pinned = self._device.type == "cuda"
            self._slabs.append(torch.empty(length, dtype=torch.uint8, pin_memory=pinned))

    def _copy(self, parts: Sequence[torch.Tensor]) -> None:
        place = 0
        for part in parts:
            data = flat_bytes(part.contiguous())
            for begin, slab in self._room(place, len(data)):
                slab.copy_(data[begin : begin + len(slab)], non_blocking=True)
            place += len(data)

    def _room(self, place: int, length: int) -> Iterator[tuple[int, torch.Tensor]]:
        """The parts of slabs for bytes [place, place + length), with their offsets in these."""
        done = 0
        while done < length:
            slab, offset = divmod(place + done, _SLAB_BYTES)
            room = self._slabs[slab][offset : offset + length - done]
            yield done, room
            done += len(room)
