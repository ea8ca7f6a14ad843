"""Process groups that live as long as the workers, who train several nodes one after another."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import torch.distributed as dist

T = TypeVar("T")
_made: dict[Hashable, Any] = {}
_owner: Any = None
"""The process's default group, of which `_made` was made."""


def made_once(key: Hashable, make: Callable[[], T]) -> T:
    """What `make` makes of the default group: a group or a mesh of its ranks (collective).

    A group has threads, connections and, on GPUs, memory, which a new one for each node would add
    up. It is made again where the workers meet in another default group.
    """
    global _owner
    if _owner is not dist.group.WORLD:
        _made.clear()
        _owner = dist.group.WORLD
    if key not in _made:
        _made[key] = make()
    return cast(T, _made[key])
