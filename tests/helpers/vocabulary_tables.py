"""Models whose vocabulary was changed, as transformers loads them."""

from __future__ import annotations

from typing import Any

import torch
import transformers

from raycl.data.tokenizer import TextTokenizer, known_tokenizer


def tokenizer(folder: str) -> TextTokenizer:
    """The tokenizer in a folder, as raycl reads it."""
    found = known_tokenizer(folder)
    assert found is not None
    return found


def loaded(folder: str) -> Any:
    """The model in a folder."""
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


def tables(model: Any) -> list[torch.Tensor]:
    """What has a row for each token: embedding, head, and the head's bias."""
    head = model.get_output_embeddings()
    found = [model.get_input_embeddings().weight, head.weight]
    return found if head.bias is None else [*found, head.bias]
