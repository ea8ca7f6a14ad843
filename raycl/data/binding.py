"""Records on which data the states of a storage were trained, under the name of each corpus.

The name of a state depends on the content of its corpora. If a corpus changed under its name, every
sweep would silently begin anew. So such a change is refused.
"""

from __future__ import annotations

from typing import ClassVar

from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.storage.record import Record, find_record, write_record


class BindingRecord(Record):
    """The content that a corpus had when states were trained on it."""

    WHAT: ClassVar[str] = "the binding of a corpus to its data"
    REMEDY: ClassVar[str] = (
        "Remove the file if the corpus is as it was: the next sweep writes it again"
    )

    fingerprint: str


def is_bound(storage: Storage, corpus: str) -> bool:
    """Whether states of this storage were trained on the corpus; one request."""
    return storage.exists(layout.binding(corpus))


def bind(storage: Storage, corpus: str, fingerprint: str) -> None:
    """Remember the content of a corpus that is trained on from here on; the first one stays."""
    if not is_bound(storage, corpus):
        write_record(storage, layout.binding(corpus), BindingRecord(fingerprint=fingerprint))


def check_binding(storage: Storage, corpus: str, fingerprint: str) -> None:
    """Raise InputError where states of this storage were trained on another content."""
    bound = find_record(storage, layout.binding(corpus), BindingRecord)
    if bound is not None and bound.fingerprint != fingerprint:
        raise InputError(
            f"corpus {corpus!r} in {storage.url}",
            f"it has changed since nodes were trained on it ({bound.fingerprint} then, "
            f"{fingerprint} now)",
            "Restore its shards, or give the new data another corpus name",
        )
