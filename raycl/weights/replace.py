"""A new model folder from an old one and another tokenizer: each token's row made of old ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raycl.data.tokenizer import TextTokenizer, load_tokenizer
from raycl.data.tokenizer.chat_template import with_chat_template
from raycl.data.tokenizer.definition import token_ids
from raycl.data.tokenizer.differences import difference
from raycl.data.tokenizer.replacement import row_sources
from raycl.data.tokenizer.replacement_record import ReplacementRecord, replacement_record
from raycl.data.tokenizer.roles import all_control_tokens, roles
from raycl.data.tokenizer.store import write_tokenizer
from raycl.errors import InputError
from raycl.models.extension import padded_rows
from raycl.storage.layout import START_REPLACEMENT, START_TOKENIZER_BEFORE
from raycl.storage.record import record_bytes
from raycl.weights.extend import (
    before_and_after,
    check_options,
    model_and_tokenizer,
    piece_lengths,
    samples_of,
    written_whole,
)
from raycl.weights.vocabulary import embedding_rows, refill, save_model, whole_model

_OTHER_IDS = (
    "begin_suppress_tokens",
    "bad_words_ids",
    "decoder_start_token_id",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "sequence_bias",
    "suppress_tokens",
)
"""Settings of generation that name tokens by numbers of the old vocabulary."""


@dataclass(frozen=True)
class Replacement:
    """The tokenizer that a model gets."""

    tokenizer: str
    """Its tokenizer.json, its folder or its hub name."""
    text: tuple[str, ...]
    """Patterns of text files on which both tokenizers are compared."""
    initialize: str
    """`mean` or `weighted-mean`."""
    sample_bytes: int
    """Bytes of text that are read of each pattern."""


def replace_in_folder(model: str, to: Path, wanted: Replacement) -> Iterator[str]:
    """Write the model with its new tokenizer into `to`, whole or not at all; what is to be told.

    Raises InputError, before anything is written, where one of them cannot be used, or where the
    model has this tokenizer.
    """
    check_options(wanted.initialize, to)
    folder, old = model_and_tokenizer(model)
    new = load_tokenizer(None, wanted.tokenizer)
    if not difference(old.files, new.files):
        raise InputError(f"--tokenizer {wanted.tokenizer}", "the model has it already", "Leave it")
    samples = samples_of(wanted.text, wanted.sample_bytes)
    told: list[str] = []
    with written_whole(to, folder, told) as target:
        made = write_replaced(folder, target, old, new, wanted.initialize)
    yield from told
    yield f"{to}: {made.record.sentence}; {made.rows:,} rows in its embedding"
    yield from made.notes
    yield from before_and_after(samples, old, new)


@dataclass(frozen=True)
class Replaced:
    """What was written."""

    rows: int
    """Rows of the embedding."""
    record: ReplacementRecord
    notes: tuple[str, ...]
    """Sentences for the user."""


def write_replaced(
    folder: Path, target: Path, old: TextTokenizer, new: TextTokenizer, initialize: str
) -> Replaced:
    """Write the model in `folder`, whose tokenizer is `old`, with the tokenizer `new`.

    Raises InputError where its weights are not complete.
    """
    sources = row_sources(old, new)
    record = replacement_record(old, sources, initialize)
    model = whole_model(folder)
    rows = padded_rows(embedding_rows(model), new.vocabulary)
    refill(model, (rows, 0), sources, piece_lengths(old, initialize))
    _set_ids(model, old, new)
    save_model(model, target)
    files, notes = with_chat_template(old, new)
    write_tokenizer(files, target)
    (target / START_TOKENIZER_BEFORE).write_text(old.files.definition, encoding="utf-8")
    (target / START_REPLACEMENT).write_bytes(record_bytes(record))
    return Replaced(rows, record, notes)


def _set_ids(model: Any, old: TextTokenizer, new: TextTokenizer) -> None:
    """Name the new tokenizer's control tokens in both configurations of the model."""
    ids, found = token_ids(new.definition), roles(new)
    ends = _ends(model.generation_config.eos_token_id, old, new)
    for role in ("bos", "eos", "pad"):
        number = ids[found[role]] if role in found else None
        for config in (model.config, model.generation_config):
            setattr(config, f"{role}_token_id", number)
    if len(ends) > 1:
        model.generation_config.eos_token_id = ends
    if getattr(model.config, "unk_token_id", None) is not None:
        model.config.unk_token_id = ids[found["unk"]] if "unk" in found else None
    for name in _OTHER_IDS:
        if getattr(model.generation_config, name, None) is not None:
            setattr(model.generation_config, name, None)


def _ends(before: Any, old: TextTokenizer, new: TextTokenizer) -> list[int]:
    """Tokens at which generation stops: the end of documents, and what stopped it and is left."""
    texts = {number: token for token, number in token_ids(old.definition).items()}
    ids, control = token_ids(new.definition), all_control_tokens(new)
    stopped = [texts.get(number) for number in before] if isinstance(before, list) else []
    left = [ids[token] for token in stopped if token in control and token is not None]
    return list(dict.fromkeys([new.end, *left]))
