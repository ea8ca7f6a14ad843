"""The losses of single validation rows, by the documents that each row is made of."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from raycl.data.manifest import Manifest
from raycl.data.row_documents import DocumentBorders, first_documents
from raycl.data.tokenizer import read_tokenizer
from raycl.errors import InputError
from raycl.states.row_losses import RowLosses, RowsKey
from raycl.storage import Storage
from raycl.train.model.documents import targets_of
from raycl.train.model.language_model import LanguageModel
from raycl.train.parallel.world import World

Lines = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Rows, numbers of the document in its row, nats and predicted tokens, one entry a line each."""


class Collected:
    """What single rows lose while a model is validated; every rank has its own rows until the end.

    `borders` has the tokens between documents by corpus; None where they are not known, and a row
    then counts as one document.
    """

    def __init__(self, borders: Mapping[str, DocumentBorders | None]) -> None:
        self._borders = borders
        self._lines: dict[str, list[Lines]] = {corpus: [] for corpus in borders}

    def measure(
        self, model: LanguageModel, corpus: str, first: int, rows: torch.Tensor
    ) -> torch.Tensor:
        """The summed loss of `rows` [count, length + 1], of which `first` is the first's number."""
        model.token_losses = []
        try:
            total: torch.Tensor = model(rows)
            losses = torch.cat(model.token_losses).reshape(len(rows), -1).double().cpu().numpy()
        finally:
            model.token_losses = None
        counted = (targets_of(rows, model.borders) >= 0).cpu().numpy()
        self._lines[corpus].append(
            _lines(first, losses, counted, self._segments(corpus, rows.cpu().numpy()))
        )
        return total

    def _segments(self, corpus: str, rows: np.ndarray) -> np.ndarray:
        """How many documents have begun in its row before each target: [count, length]."""
        borders = self._borders[corpus]
        if borders is None:
            return np.zeros((len(rows), rows.shape[1] - 1), dtype=np.int64)
        return np.cumsum(borders.in_rows(rows), axis=1)

    def gathered(self, world: World) -> dict[str, Lines]:
        """The lines of all ranks on rank 0, by corpus; empty elsewhere (collective)."""
        own = {} if world.rank % world.layout.tensor else self._lines
        ranks = world.collect(own)
        return {
            corpus: _joined([lines for of_rank in ranks for lines in of_rank.get(corpus, ())])
            for corpus in self._borders
            if ranks
        }


def document_borders(
    storage: Storage, manifests: Mapping[str, Manifest]
) -> dict[str, DocumentBorders | None]:
    """The tokens between the documents of each corpus, None where its tokenizer is not stored."""
    found: dict[str, DocumentBorders | None] = {}
    for fingerprint in {manifest.tokenizer for manifest in manifests.values()}:
        try:
            tokenizer = read_tokenizer(storage, fingerprint)
            found[fingerprint] = DocumentBorders(tokenizer.end, tokenizer.begin)
        except (InputError, FileNotFoundError):
            found[fingerprint] = None
    return {corpus: found[manifest.tokenizer] for corpus, manifest in manifests.items()}


def row_losses(
    storage: Storage,
    manifests: Mapping[str, Manifest],
    borders: Mapping[str, DocumentBorders | None],
    lines: Mapping[str, Lines],
    rows: Mapping[str, int],
) -> dict[RowsKey, RowLosses]:
    """What is stored of a validation: the gathered lines with the numbers of their documents.

    `rows` is the number of rows of each corpus. Where documents are not known, each row is taken
    for one, and its number is negative. Raises InputError where a shard is damaged.
    """
    found: dict[RowsKey, RowLosses] = {}
    for corpus, (row, segment, nats, tokens) in lines.items():
        manifest, known = manifests[corpus], borders[corpus]
        first = (
            first_documents(storage, manifest, "validation", rows[corpus], known) if known else None
        )
        document = -1 - row if first is None else first[row] + segment
        key = (corpus, manifest.fingerprint, rows[corpus])
        found[key] = RowLosses(row, document, nats, tokens)
    return found


def _lines(first: int, losses: np.ndarray, counted: np.ndarray, segments: np.ndarray) -> Lines:
    """Sums over the targets of each document in each row; without any target there is no line."""
    width = int(segments.max(initial=0)) + 1
    keys = (np.arange(len(losses))[:, None] * width + segments).ravel()
    tokens = np.bincount(keys, weights=counted.ravel(), minlength=width * len(losses))
    nats = np.bincount(keys, weights=losses.ravel(), minlength=width * len(losses))
    there = np.flatnonzero(tokens)
    return first + there // width, there % width, nats[there], tokens[there].astype(np.int64)


def _joined(lines: list[Lines]) -> Lines:
    if not lines:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, np.zeros(0), empty
    row, segment, nats, tokens = (np.concatenate(column) for column in zip(*lines, strict=True))
    return row, segment, nats, tokens
