"""A tiny model folder in the place of the one that a recipe of configs/ names."""

from __future__ import annotations

import json
from pathlib import Path

from tests.helpers.checkpoints import CONFIG, small_tensors, write_checkpoint
from tests.helpers.tokenizers import byte_level

PLACE = "SmolLM2-135M"
"""The folder as configs/pretrained.yaml has it, below the one where commands run."""


def placeholder_model(folder: Path) -> Path:
    """Write a Llama of few weights with a tokenizer of its own to `folder`/`PLACE`."""
    tokenizer = byte_level()
    size = tokenizer.get_vocab_size()
    config = {**CONFIG, "vocab_size": size, "max_position_embeddings": 1024}
    model = write_checkpoint(folder / PLACE, small_tensors(vocabulary=size), config)
    (model / "tokenizer.json").write_text(tokenizer.to_str())
    said = {"eos_token": "<|endoftext|>"}
    (model / "tokenizer_config.json").write_text(json.dumps(said))
    return model
