"""A folder as a user has it: recipe, text, tokenizer, pretrained model. All of it works."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tests.helpers.corpus_text import texts, write_lines

VOCABULARY = 300
SCHEDULE = {"kind": "cosine", "max_lr": "1e-3", "min_lr": "10%", "warmup": "5%"}
CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "tie_word_embeddings": False,
}


def recipe(**changes: Any) -> dict[str, Any]:
    """The recipe of the workspace as data; `changes` replace fields, and None removes one."""
    data: dict[str, Any] = {
        "name": "small",
        "model": {"config": dict(CONFIG)},
        "tokenizer": "./tokenizer",
        "sequence_length": 16,
        "global_batch": 4,
        "corpora": {
            "old": {"text": "text/old.jsonl", "validation": "20%"},
            "new": {"text": "text/new.jsonl", "validation": "20%"},
        },
        "stages": [
            {"name": "old", "steps": 4, "schedule": dict(SCHEDULE)},
            {"name": "new", "steps": 4, "replay": "25%", "schedule": dict(SCHEDULE)},
        ],
        "validation": {"rows": 2},
    }
    return {key: value for key, value in {**data, **changes}.items() if value is not None}


def write(folder: Path, data: Any) -> None:
    """Replace the recipe by this data, or by this text word for word."""
    text = data if isinstance(data, str) else yaml.safe_dump(data, sort_keys=False)
    (folder / "recipe.yaml").write_text(text, encoding="utf-8")


def with_recipe(**changes: Any) -> Callable[[Path], None]:
    """A change of the workspace: fields of its recipe are replaced."""
    return lambda folder: write(folder, recipe(**changes))


def pretrained_recipe(folder: Path) -> None:
    """Let the recipe continue from the model in the folder `base`."""
    write(folder, recipe(model={"pretrained": "./base"}))


def make_workspace(folder: Path) -> None:
    """Fill an empty folder."""
    shutil.copytree(_master(), folder, dirs_exist_ok=True)


@cache
def _master() -> Path:
    """The workspace that the others are copies of, made once in each process."""
    folder = Path(mkdtemp(prefix="raycl-workspace-"))
    (folder / "text").mkdir()
    write_lines(folder / "text/old.jsonl", texts(80, seed=1))
    write_lines(folder / "text/new.jsonl", texts(80, seed=2))
    _write_tokenizer(folder / "tokenizer", texts(80, seed=3))
    write(folder, recipe())
    return folder


def _write_tokenizer(folder: Path, sample: list[str]) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<eos>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sample, trainer=trainer)
    folder.mkdir()
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<eos>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")


@cache
def _base() -> Path:
    """A pretrained model of the workspace's size, with its tokenizer beside it."""
    import torch
    import transformers

    folder = Path(mkdtemp(prefix="raycl-base-"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.AutoConfig.for_model(**CONFIG)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    shutil.copytree(_master() / "tokenizer", folder, dirs_exist_ok=True)
    return folder


def add_base(folder: Path) -> None:
    """Put the pretrained model into the workspace, and have the recipe continue from it."""
    shutil.copytree(_base(), folder / "base", dirs_exist_ok=True)
    pretrained_recipe(folder)
