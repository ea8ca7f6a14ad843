"""A pretrained model with rows for new tokens, each made of the rows that stood for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from raycl.errors import InputError
from raycl.models.extension import grown_rows
from raycl.train.model.quiet import silent


def extend_model(
    folder: Path,
    target: Path,
    pieces: Mapping[int, tuple[int, ...]],
    weights: Mapping[int, int] | None = None,
) -> int:
    """Write the model in `folder` with a row for each new token into `target`; its rows then.

    A new row is the mean of the old rows of the token's `pieces` (Gee et al. 2022, "Fast Vocabulary
    Transfer"), in the embedding, in a head of its own and in the head's bias; with `weights`, the
    length of each old token, their mean weighted by length. Rows that the model had unused are
    taken first. The model is held in memory, in the type of its file. Raises InputError where its
    weights are not complete.
    """
    model = whole_model(folder)
    rows = embedding_rows(model)
    needed = grown_rows(rows, max(pieces) + 1)
    refill(model, (needed, rows), pieces, weights)
    save_model(model, target)
    return needed


def whole_model(folder: Path) -> Any:
    """The model in a folder, in the type of its file. Raises InputError where it is not whole."""
    with silent():
        loaded: Any = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype="auto", output_loading_info=True, local_files_only=True
        )
    model, told = loaded
    if told["missing_keys"]:
        missing = ", ".join(sorted(told["missing_keys"])[:3])
        raise InputError(str(folder), f"weights are missing: {missing}", "Give a complete model")
    return model


def embedding_rows(model: Any) -> int:
    """Rows of the model's embedding."""
    return int(model.get_input_embeddings().weight.shape[0])


def refill(
    model: Any,
    rows: tuple[int, int],
    pieces: Mapping[int, tuple[int, ...]],
    weights: Mapping[int, int] | None,
) -> None:
    """Give the model `rows[0]` rows, of which the first `rows[1]` stay where `pieces` has no token.

    The others are made of old rows: those of a token's pieces, else all of them.
    """
    needed, stay = rows
    old = [table.detach().clone() for table in _tables(model)]
    if needed != embedding_rows(model):
        model.resize_token_embeddings(needed, mean_resizing=False)
    with torch.no_grad():
        for table, before in zip(_tables(model), old, strict=True):
            table[stay:] = before.double().mean(0).to(table.dtype)  # rows that no token has
            _fill(table, before, pieces, weights)


def save_model(model: Any, target: Path) -> None:
    """Write the model's weights and configurations into a folder."""
    with silent():
        model.save_pretrained(target)


def _tables(model: Any) -> list[torch.Tensor]:
    """The tensors with a row for each token; tied ones once."""
    head = model.get_output_embeddings()
    tables: list[torch.Tensor] = [model.get_input_embeddings().weight]
    if head is not None:
        tables += [head.weight] if head.weight is not tables[0] else []
        tables += [head.bias] if getattr(head, "bias", None) is not None else []
    return tables


def _fill(
    table: torch.Tensor,
    before: torch.Tensor,
    pieces: Mapping[int, tuple[int, ...]],
    weights: Mapping[int, int] | None,
) -> None:
    for token, parts in pieces.items():
        if parts:
            share = torch.tensor([weights[p] if weights else 1 for p in parts], dtype=torch.float64)
            rows = before[list(parts)].double()
            table[token] = torch.tensordot(share / share.sum(), rows, dims=1).to(table.dtype)
