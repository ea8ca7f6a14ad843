"""The word of a sweep that ends: all of its trials are to save and leave."""

from __future__ import annotations

import contextlib
import uuid

from raycl.cluster.ray_internals import forget_bytes, keep_bytes, kept_bytes

_GIVEN = b"1"


class StopOrder:
    """Given once by a sweep's process, and asked by each of its trials.

    It lies at the head of the cluster, where a question takes a millisecond or two. The storage,
    through which people steer, may be slow, and a sweep that ends has seconds.
    """

    def __init__(self) -> None:
        self._key = f"raycl-stop-{uuid.uuid4().hex}"

    def give(self) -> None:
        """Have every trial save and leave; nothing happens where the cluster is gone."""
        with contextlib.suppress(Exception):
            keep_bytes(self._key, _GIVEN)

    def is_given(self) -> bool:
        """Whether the trials are to leave; no where the cluster does not answer."""
        with contextlib.suppress(Exception):
            return kept_bytes(self._key) == _GIVEN
        return False

    def forget(self) -> None:
        """Remove what was given."""
        forget_bytes(self._key)
