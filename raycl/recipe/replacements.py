"""Models that get another tokenizer: found in the storage, or planned where none is made yet."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from raycl.data.tokenizer import TextTokenizer, load_tokenizer
from raycl.data.tokenizer.differences import difference
from raycl.data.tokenizer.reference import NotThereError
from raycl.errors import InputError, within
from raycl.models.extension import padded_rows
from raycl.models.extension_request import (
    OtherTokenizer,
    content_key,
    find_request,
    place_key,
    place_of,
    possible_places,
)
from raycl.models.find import find_start
from raycl.models.start import Start
from raycl.recipe.extensions import PlannedExtension, base_tokenizer, made_start
from raycl.storage import Storage

_WHERE = "model.vocabulary.tokenizer"


def planned_replacement(
    reference: str, here: Path, asked: OtherTokenizer, storage: Storage | None
) -> PlannedExtension:
    """The model that a recipe names with another tokenizer. Relative paths begin at `here`.

    Raises InputError where model or tokenizer are not there, and what was made of them is not
    either; where no tokenizer came with the model; and where both are one.
    """
    base, no_base = _base(reference, here, storage)
    tokenizer, no_tokenizer = _tokenizer(asked, storage)
    if base is not None and tokenizer is not None:
        return _planned(base, here, asked, tokenizer, storage)
    places = [place_of(base, here)] if base else possible_places(reference, here)
    ways = [asked.known_by(tokenizer.fingerprint)] if tokenizer else asked.places(here)
    keys = [place_key(place, way) for place in places for way in ways]
    for key in keys:
        request = find_request(storage, key) if storage is not None else None
        start = made_start(storage, request, reference)
        if request and start and (base is None or base.identifier == request.base):
            return PlannedExtension(asked, base, (key,), start, request, tokenizer)
    raise no_base or no_tokenizer or AssertionError("one of them is missing")


def _planned(
    base: Start,
    here: Path,
    asked: OtherTokenizer,
    tokenizer: TextTokenizer,
    storage: Storage | None,
) -> PlannedExtension:
    own = base_tokenizer(base, storage)
    if not difference(own.files, tokenizer.files):
        raise InputError(
            f"{_WHERE} {asked.reference!r}",
            f"the model {base.reference!r} has this tokenizer already",
            "Leave model.vocabulary out",
        )
    known, place = asked.known_by(tokenizer.fingerprint), place_of(base, here)
    content = content_key(base, own.fingerprint, known)
    keys = (content, place_key(place, known), place_key(place, asked.place(here)))
    request = find_request(storage, content) if storage is not None else None
    start = made_start(storage, request, base.reference)
    if start is None:
        start, request = _provisional(base, tokenizer, content), None
    return PlannedExtension(asked, base, keys, start, request, tokenizer)


def _base(
    reference: str, here: Path, storage: Storage | None
) -> tuple[Start | None, InputError | None]:
    try:
        return find_start(reference, here, storage)[0], None
    except InputError as error:
        return None, error


def _tokenizer(
    asked: OtherTokenizer, storage: Storage | None
) -> tuple[TextTokenizer | None, InputError | None]:
    """The tokenizer, or the error of one that is gone. Raises InputError where it is damaged."""
    try:
        with within(_WHERE):
            return load_tokenizer(storage, asked.reference, asked.choice), None
    except NotThereError as error:
        return None, error


def _provisional(base: Start, tokenizer: TextTokenizer, key: str) -> Start:
    """What is known of the model before it is made: its configuration."""
    config, rows = dict(base.config), base.config.get("vocab_size")
    if isinstance(rows, int):
        config["vocab_size"] = padded_rows(rows, tokenizer.vocabulary)
    return replace(base, identifier=f"unmade-{key}", config=config, tensors={}, folder=None)
