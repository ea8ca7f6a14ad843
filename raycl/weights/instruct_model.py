"""The instruction-tuned model of an instruct residual: found, compared, kept in the storage."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from raycl.errors import InputError, shown
from raycl.models.find import find_start
from raycl.models.references import remember
from raycl.models.start import Start
from raycl.models.store import check_same_configuration, store_start
from raycl.storage import Storage, layout
from raycl.weights.partners import (
    Partner,
    base_partner,
    check_same_model,
    check_same_tensors,
    folder_partner,
    state_partner,
)


def keep_instruct(storage: Storage, reference: str, base: str, state: str) -> str:
    """Copy the model into the storage, unless it is there; returns its identifier.

    `reference` is a folder, a hub name or an identifier. Raises InputError, before anything is
    copied, where the model does not fit tensor by tensor to `base` (see `merge_states`), or where
    its tokenizer gives a token of the state's another number.
    """
    try:
        start, _ = find_start(reference, Path.cwd(), storage)
    except InputError as error:
        where = error.where.replace("model.pretrained", "--instruct")
        raise InputError(where, error.problem, error.remedy) from error.__cause__
    trained = state_partner(storage, state)
    first, instruct = base_partner(storage, base, trained), folder_partner(storage, start)
    check_same_tensors(first, instruct)
    check_same_model(first, instruct)
    _check_tokens(storage, trained, start)
    if store_start(storage, start):
        check_same_configuration(storage, start)
        remember(storage, start, Path.cwd())
    return start.identifier


def _check_tokens(storage: Storage, trained: Partner, start: Start) -> None:
    """Raise InputError where a token of both tokenizers has two numbers."""
    if trained.tokenizer is None or start.folder is None:
        return
    file, kept = start.folder / layout.TOKENIZER_DEFINITION, layout.tokenizer(trained.tokenizer)
    if not file.is_file() or not storage.exists(kept):
        return
    theirs = Tokenizer.from_str(file.read_text()).get_vocab()
    ours = Tokenizer.from_str(storage.read_bytes(kept).decode()).get_vocab()
    for token in sorted(ours.keys() & theirs.keys()):
        if ours[token] != theirs[token]:
            raise InputError(
                f"--instruct {start.reference!r}",
                f"its token {shown(token)} is number {theirs[token]}, but {ours[token]} in the "
                f"tokenizer of {trained.title}",
                "Give the instruct model that was made of the model that the state began from",
            )
