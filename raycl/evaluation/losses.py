"""Measures the validation loss of any stored state on any corpus of its storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from raycl.data.manifest import Manifest, has_manifest, load_manifest
from raycl.data.tokenizer import TextTokenizer, read_tokenizer
from raycl.errors import InputError
from raycl.evaluation.store import Measured, add_losses, read_losses
from raycl.plan.documents import Documents
from raycl.states.lookup import find_state
from raycl.states.mark import ValidationFacts
from raycl.states.row_losses import RowLosses, add_evaluated_rows
from raycl.storage import Storage, layout
from raycl.train.borders import find_borders
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import StoredState, read_state
from raycl.train.kernels import kernels
from raycl.train.model.attention import attention_choices
from raycl.train.model.documents import Borders
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.precision import compute_dtype
from raycl.train.parallel.sharding import shard_model
from raycl.train.parallel.world import World, current_world
from raycl.train.validation import KeptRows, read_validation_rows, validation_losses

_UNKNOWN = ValidationFacts(rows=64, micro_batch=8, precision="auto")
"""How a state is measured where its mark does not say how its training validated."""

Build = Callable[[int, Sequence[str], Borders | None], LanguageModel]
"""Makes a whole model on the CPU, for rows of that many tokens, attention and borders."""


@dataclass(frozen=True)
class Measure:
    """How a state's training validated. A loss that is measured in the same way has equal bits."""

    rows: int
    micro_batch: int
    """Rows per forward pass. Another number would add losses in another order, and so give other
    last bits."""
    dtype: torch.dtype
    documents: Documents

    @classmethod
    def of(cls, state: StoredState, world: World) -> Measure:
        """The way that the state's mark records, or the default where it records none."""
        kept = state.mark.validation or _UNKNOWN
        dtype = compute_dtype(kept.precision, world.device)
        return cls(kept.rows, kept.micro_batch, dtype, kept.documents)


def evaluate_state(
    storage: Storage, name: str, corpora: Sequence[str], rows: int | None = None
) -> dict[str, float]:
    """Nats/token of a state on the first `rows` validation rows of each corpus.

    The loss is exactly what training measures. `rows=None` takes as many rows as the state's
    training did; a corpus with fewer rows gives all it has. A loss that storage holds already is
    not computed again. Raises InputError where the state or a corpus is unknown, a file is damaged,
    or a corpus has another tokenizer.
    """
    state = read_state(storage, find_state(storage, name))
    return model_losses(storage, state, corpora, rows, partial(load_model, storage, state))


def model_losses(
    storage: Storage, state: StoredState, corpora: Sequence[str], rows: int | None, build: Build
) -> dict[str, float]:
    """`evaluate_state` of a model that need not be stored: `state` describes it, `build` makes it.

    Its losses are stored under its name all the same.
    """
    world = current_world()
    measure = Measure.of(state, world)
    manifests = {corpus: validation_manifest(storage, corpus) for corpus in corpora}
    _check_tokenizer(storage, state, manifests)
    # The fingerprint is part of the key, because a corpus can be prepared anew under its old name.
    wanted = {
        corpus: (corpus, m.fingerprint, min(rows or measure.rows, m.validation.rows))
        for corpus, m in manifests.items()
    }
    known = read_losses(storage, state.name)
    missing = {c: key for c, key in wanted.items() if key not in known}
    if missing:
        found, of_rows = _measure(storage, build, missing, manifests, measure, world)
        # Before the losses: where these are stored, nothing is measured again.
        add_evaluated_rows(storage, state.name, of_rows)
        add_losses(storage, state.name, found)
        known |= found
    return {corpus: known[key] for corpus, key in wanted.items()}


def corpora_for(storage: Storage, name: str) -> list[str]:
    """The corpora of the storage on which the state can be measured.

    They have the state's tokenizer and validation rows. Where the tokenizer of the state is not
    known, any corpus with validation rows may do. Left out are corpora of the very text of one of
    the state's own, as another seed of its recipe has them: what they hold out, it may have read.
    """
    state = read_state(storage, find_state(storage, name))
    listed = storage.list(layout.CORPORA)
    prepared = [c for c in listed if has_manifest(storage, layout.corpus(c))]
    manifests = {corpus: load_manifest(storage, layout.corpus(corpus)) for corpus in prepared}
    own = state_tokenizer(storage, state)
    read = state.mark.metadata.corpora
    texts = [text_of(manifests[corpus]) for corpus in read if corpus in manifests]
    return [
        c
        for c, m in manifests.items()
        if own in (None, m.tokenizer)
        and m.validation.rows
        and (c in read or text_of(m) is None or text_of(m) not in texts)
    ]


def text_of(manifest: Manifest) -> frozenset[str] | None:
    """The SHA-256 of the files that a corpus was made from; None where they are not recorded."""
    files = manifest.source.get("files") or ()
    return frozenset(file["sha256"] for file in files if isinstance(file, dict)) or None


def state_tokenizer(storage: Storage, state: StoredState) -> str | None:
    """Fingerprint of the tokenizer of the state's corpora.

    None where an older mark does not say it and none of the corpora is stored.
    """
    if state.mark.metadata.tokenizer is not None:
        return state.mark.metadata.tokenizer
    for corpus in state.mark.metadata.corpora.values():
        if has_manifest(storage, corpus.folder):
            return load_manifest(storage, corpus.folder).tokenizer
    return None


def read_state_tokenizer(storage: Storage, state: StoredState) -> TextTokenizer:
    """The tokenizer of the state's corpora.

    Raises InputError where it is not known, not stored or damaged: without it, ids mean nothing.
    """
    fingerprint = state_tokenizer(storage, state)
    if fingerprint is None:
        problem = "none of its corpora is in storage, so its tokenizer is not known"
        raise InputError(f"state {state.name}", problem, "Restore one of them")
    return read_tokenizer(storage, fingerprint)


def _measure(
    storage: Storage,
    build: Build,
    wanted: dict[str, Measured],
    manifests: dict[str, Manifest],
    measure: Measure,
    world: World,
) -> tuple[dict[Measured, float], dict[Measured, RowLosses]]:
    # The model is built once, for the corpus with the longest rows.
    longest = max(manifests[corpus].row_length for corpus in wanted) - 1
    attention = attention_choices("auto", world.device, measure.dtype)
    borders = find_borders(storage, measure.documents, manifests.values())
    model = build(longest, attention, borders).to(world.device)
    shard_model(model, world, measure.dtype)
    losses: dict[Measured, float] = {}
    of_rows: dict[Measured, RowLosses] = {}
    # Each corpus is measured alone, because rows of corpora may differ in length and number.
    for corpus, key in wanted.items():
        folders = {corpus: layout.corpus(corpus)}
        rows = read_validation_rows(storage, folders, manifests, key[2], world)
        with kernels(world.device):
            kept = KeptRows(storage, manifests, rows, world)
            measured = validation_losses(model, rows, world, measure.micro_batch, kept.collected)
        losses[key] = measured[corpus]
        of_rows |= kept.losses()
    return losses, of_rows


def validation_manifest(storage: Storage, corpus: str) -> Manifest:
    """The manifest of a corpus. Raises InputError where it is missing or has no validation rows."""
    if not has_manifest(storage, layout.corpus(corpus)):
        known = ", ".join(storage.list(layout.CORPORA)) or "none"
        raise InputError(
            f"corpus {corpus!r} in {storage.url}", "not prepared here", f"Corpora here: {known}"
        )
    manifest = load_manifest(storage, layout.corpus(corpus))
    if not manifest.validation.rows:
        raise InputError(f"corpus {corpus!r}", "it has no validation rows", "Hold out some of it")
    return manifest


def _check_tokenizer(storage: Storage, state: StoredState, manifests: dict[str, Manifest]) -> None:
    """Raise InputError where a corpus has another tokenizer, whose ids mean other tokens."""
    own = state_tokenizer(storage, state)
    for corpus, manifest in manifests.items():
        if own not in (None, manifest.tokenizer):
            raise InputError(
                f"corpus {corpus!r}",
                f"its tokenizer {manifest.tokenizer} is not that of state {state.name}",
                "Prepare its text with the state's tokenizer, under another corpus name",
            )
