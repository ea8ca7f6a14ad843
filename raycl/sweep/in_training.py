"""Which nodes are trained now, as far as one look at the leases can tell."""

from __future__ import annotations

from collections.abc import Collection

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.sweep.lease_records import died_here, holder_of


def in_training(storage: Storage, nodes: Collection[str]) -> frozenset[str]:
    """Those of the nodes that a living sweep has taken.

    A sweep whose process has ended on this machine lives no more. One of another machine counts as
    living until its node is taken over: only time would tell. Requests: a listing of the leases,
    and two reads for each lease on one of the nodes.
    """
    taken = set(storage.sizes(layout.LEASES))
    leases = {node: layout.node_lease(node) for node in nodes}
    return frozenset(
        node
        for node, path in leases.items()
        if path.removeprefix(f"{layout.LEASES}/") in taken and _holder_lives(storage, path)
    )


def sweeps_live(storage: Storage) -> bool:
    """Whether any sweep of this storage may be alive, as `in_training` judges it.

    True where the storage has no leases, because then nothing tells. Requests: a listing of the
    leases, and a read for each holder.
    """
    if not storage.has_conditional_writes:
        return True
    holders = storage.list(layout.lease_holders())
    return any(_lives(storage, holder) for holder in holders)


def _lives(storage: Storage, holder: str) -> bool:
    try:
        return not died_here(storage.read_bytes(layout.lease_holder(holder)))
    except FileNotFoundError:  # ended meanwhile
        return False


def _holder_lives(storage: Storage, lease: str) -> bool:
    try:
        return _lives(storage, holder_of(storage.read_bytes(lease), storage.full_path(lease)))
    except (FileNotFoundError, InputError):  # given back meanwhile, or written by a newer raycl
        return False
