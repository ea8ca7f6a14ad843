"""What `raycl status` says of nodes that people have steered, and of those that have failed."""

from __future__ import annotations

from collections.abc import Collection

from raycl.errors import InputError
from raycl.storage import Storage
from raycl.sweep.steering.names import short_name
from raycl.sweep.steering.record import Failure, Request, failures, moment, requests


def told_of(storage: Storage, nodes: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """A few words by node, for those with a record, and what is damaged of the records."""
    if not nodes:
        return {}, []
    try:
        asked, failed = requests(storage, nodes), failures(storage, nodes)
    except InputError as error:
        return {}, [str(error)]
    words = {node: _words(asked.get(node), failed.get(node)) for node in nodes}
    return {node: text for node, text in words.items() if text}, []


def _words(request: Request | None, failure: Failure | None) -> str:
    if request is not None and request.holds:
        did = "paused" if request.action == "pause" else "stopped"
        return f"{did} {request.source}, until `raycl resume {short_name(request.node)}`"
    if failure is not None:
        return f"failed at {moment(failure.at)}: {failure.reason}"
    return "" if request is None else f"wanted {request.source}"
