"""The borders of documents in the rows of a training, by the tokenizer of its corpora."""

from __future__ import annotations

from collections.abc import Iterable

from raycl.data.manifest import Manifest
from raycl.data.tokenizer import read_tokenizer
from raycl.plan.documents import ACROSS, Documents
from raycl.storage import Storage
from raycl.train.model.documents import Borders


def find_borders(
    storage: Storage, documents: Documents, manifests: Iterable[Manifest]
) -> Borders | None:
    """The tokens between documents; None where rows are read without looking at them.

    All corpora of a training have one tokenizer. Raises InputError where it is not in the storage.
    """
    if documents == ACROSS:
        return None
    tokenizer = read_tokenizer(storage, next(iter(manifests)).tokenizer)
    return Borders(tokenizer.end, tokenizer.begin)
