"""Groups of ranks are made once for all nodes that the same workers train."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed as dist

from raycl.train.parallel.process_group import leave
from raycl.train.parallel.process_groups import made_once


@contextmanager
def met(at: Path) -> Iterator[None]:
    """One worker that has met itself in a default group, through a file."""
    leave()  # the group of one in which earlier tests of this process trained
    dist.init_process_group("gloo", init_method=f"file://{at}", rank=0, world_size=1)
    try:
        yield
    finally:
        dist.destroy_process_group()


def test_a_group_is_made_once_for_as_long_as_the_workers_are_together(tmp_path: Path) -> None:
    with met(tmp_path / "first"):
        first = made_once("a", lambda: dist.new_group(backend="gloo"))
        assert made_once("a", lambda: dist.new_group(backend="gloo")) is first
        assert made_once("b", lambda: dist.new_group(backend="gloo")) is not first
    with met(tmp_path / "second"):
        assert made_once("a", lambda: dist.new_group(backend="gloo")) is not first
