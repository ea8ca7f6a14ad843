"""Groups of ranks are made once for all nodes that the same workers train."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed as dist

from raycl.train.process_groups import made_once


@contextmanager
def met() -> Iterator[None]:
    """One worker that has met itself in a default group."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def test_a_group_is_made_once_for_as_long_as_the_workers_are_together() -> None:
    with met():
        first = made_once("a", lambda: dist.new_group(backend="gloo"))
        assert made_once("a", lambda: dist.new_group(backend="gloo")) is first
        assert made_once("b", lambda: dist.new_group(backend="gloo")) is not first
    with met():
        assert made_once("a", lambda: dist.new_group(backend="gloo")) is not first
