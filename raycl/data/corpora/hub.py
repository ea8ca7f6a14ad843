"""The first megabytes of a data set on Hugging Face, for machines without Debian packages."""

from __future__ import annotations

from collections.abc import Iterator

from raycl.data.corpora.catalogue import Hub
from raycl.data.corpora.debian import NotObtainable


def hub_documents(hub: Hub) -> Iterator[tuple[str, list[str]]]:
    """(where it stands, blocks) of documents, until `hub.max_bytes`. Raises NotObtainable."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise NotObtainable("the package `datasets` is not installed") from None
    taken = 0
    try:
        rows = load_dataset(hub.dataset, hub.config, split=hub.split, streaming=True)
        for number, row in enumerate(rows):
            text = row[hub.text_field]
            taken += len(text.encode())
            yield f"{hub.dataset}/{hub.config}#{number}", [text]
            if taken >= hub.max_bytes:
                return
    # The transports raise errors of four libraries that have no common base class.
    except Exception as error:
        message = (str(error).splitlines() or [type(error).__name__])[0]
        raise NotObtainable(f"{hub.dataset} could not be read ({message})") from error
