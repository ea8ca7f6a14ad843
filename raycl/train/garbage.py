"""Keeps Python's garbage collection out of a step, and a finished node's memory out of the next.

A collection at an arbitrary moment holds one rank up, and with it all others. So the collector is
off while a node trains, and runs where the loop has a pause anyway: at validations and saves, and
every `_STEPS` steps for what is young. torchtitan does the same (`GarbageCollection`).
"""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_STEPS = 100
_YOUNG = 1
"""The older of the two generations that a collection between steps looks at."""


@contextmanager
def no_collection_in_steps() -> Iterator[None]:
    """Switch the collector off, and leave alone what exists already, until the loop has ended."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_on:
            gc.enable()


def collect_between_steps(step: int) -> None:
    """Collect what is young, every so many steps."""
    if step % _STEPS == 0:
        gc.collect(_YOUNG)


def collect_in_pause() -> None:
    """Collect everything; where the loop has a pause."""
    gc.collect()


@contextmanager
def freed_afterwards() -> Iterator[None]:
    """Free what a node has held once it has ended: the process may train another one.

    Model and optimizer are parts of reference cycles (hooks of FSDP and of PyTorch's optimizer), so
    only a collection finds them. The allocators then give their memory back, and compiled code is
    forgotten with the guards and buffers that it holds.
    """
    try:
        yield
    finally:
        free()


def free() -> None:
    """Free what nothing holds any more. An exception that is under way holds all that it passed."""
    gc.collect()
    if "torch._dynamo" in sys.modules:  # imported with the first block that is compiled
        torch.compiler.reset()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    _trim_heap()


def _trim_heap() -> None:
    """Give the freed memory of the C library's heaps back, where that library is glibc.

    It has heaps for each thread, and Tune trains every node in a thread of its own. So what a node
    has freed would stay with its process, node after node.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
