"""Loads an exported folder with transformers alone and compares its loss with raycl's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from torch.nn import functional

from raycl.data.manifest import has_manifest, load_manifest
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import read_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage, layout
from raycl.train.checkpoint.cast import TORCH_DTYPES, Dtype, cast
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import StoredState
from raycl.train.model.language_model import LanguageModel
from raycl.train.model.quiet import silent

ROWS = 4
"""Validation rows of a corpus on which both are measured."""
TOLERANCE = 1e-5
"""Nats per token by which both may differ, for the order in which they add numbers."""


@dataclass(frozen=True)
class LoadedLoss:
    """Losses (nats/token) on the same rows of one corpus."""

    corpus: str
    rows: int
    own: float
    """raycl's, with the weights as they are stored."""
    cast: float
    """raycl's, with the weights in the type of the folder."""
    loaded: float
    """transformers', from the folder."""
    same_tokens: bool
    """Whether the folder's tokenizer gives the ids of raycl's for the text of these rows."""


def loaded_loss(
    storage: Storage, state: StoredState, folder: Path, dtype: Dtype
) -> LoadedLoss | None:
    """The losses of the state and of its exported folder; None where no rows are in storage.

    The two models are in memory one after the other, in float32. Raises InputError where the folder
    does not load, or its loss is not that of the state to `TOLERANCE`.
    """
    found = _validation_rows(storage, state)
    if found is None:
        return None
    corpus, rows = found
    own, after = _own_losses(storage, state, rows, dtype)
    loaded = _loss_of_folder(folder, rows)
    if not abs(loaded - after) <= TOLERANCE:
        raise InputError(
            f"the exported folder of the state {state.name}",
            f"transformers {transformers.__version__} has the loss {loaded:.6f} on {len(rows)} "
            f"rows of {corpus}, and raycl {after:.6f}, so that it is not the same model",
            "Nothing was written. Please report it, with the model's type",
        )
    return LoadedLoss(corpus, len(rows), own, after, loaded, _same_tokens(storage, state, folder))


def _validation_rows(storage: Storage, state: StoredState) -> tuple[str, torch.Tensor] | None:
    """The first corpus of the state with validation rows in storage, and these rows."""
    for name, origin in state.mark.metadata.corpora.items():
        if not has_manifest(storage, origin.folder):
            continue
        manifest = load_manifest(storage, origin.folder)
        if manifest.validation.rows and manifest.fingerprint == origin.fingerprint:
            reader = CorpusReader(storage, origin.folder, manifest, "validation")
            rows = reader.read(0, min(ROWS, reader.rows)).astype(np.int64)
            return name, torch.from_numpy(rows)
    return None


@torch.no_grad()
def _own_losses(
    storage: Storage, state: StoredState, rows: torch.Tensor, dtype: Dtype
) -> tuple[float, float]:
    """Raycl's loss with the weights as they are stored, and with them in the type of the folder."""
    model = load_model(storage, state, rows.shape[1] - 1).eval()
    own = _mean(model, rows)
    if dtype == "float32":
        return own, own
    for name, tensor in model.named_parameters():
        tensor.copy_(cast(name, tensor, TORCH_DTYPES[dtype]))
    return own, _mean(model, rows)


def _mean(model: LanguageModel, rows: torch.Tensor) -> float:
    total = sum(float(model(row[None]).double()) for row in rows)
    return total / rows[:, 1:].numel()


@torch.no_grad()
def _loss_of_folder(folder: Path, rows: torch.Tensor) -> float:
    """The loss by transformers alone, with its plainest attention, in float32."""
    try:
        with silent():
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, attn_implementation="eager", dtype=torch.float32, local_files_only=True
            ).eval()
    except (OSError, ValueError, RuntimeError) as error:
        line = str(error).strip().split("\n")[0]
        remedy = "Nothing was written. Please report it, with the model's type"
        raise InputError(f"the exported folder {folder.name}", line, remedy) from error
    total = 0.0
    for row in rows:
        logits = model(input_ids=row[None, :-1].clamp(min=0), use_cache=False).logits[0].float()
        targets = row[1:].clamp(min=-1)
        total += float(functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum"))
    return total / rows[:, 1:].numel()


def _same_tokens(storage: Storage, state: StoredState, folder: Path) -> bool:
    """Whether both tokenizers give the same ids for some text without control tokens."""
    fingerprint = state.mark.metadata.tokenizer
    if fingerprint is None or not storage.exists(layout.tokenizer(fingerprint)):
        return True
    own = read_tokenizer(storage, fingerprint)
    with silent():
        loaded = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    found = _validation_rows(storage, state)
    ids: Mapping[str, int] = loaded.get_vocab()
    control = {ids[token] for token in own.control if token in ids}
    for row in found[1].tolist() if found else []:
        text = own.decode([token for token in row if token >= 0 and token not in control])
        if own.encode(text) != loaded(text, add_special_tokens=False)["input_ids"]:
            return False
    return True
