"""The name of a trained state changes with everything that changes a step.

Each test makes one change of a workspace: recipe, text, tokenizer, pretrained model.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.helpers.changed_workspace import (
    WEIGHTS,
    Change,
    changed_names,
    corpus,
    model_field,
    new_alone,
    stage,
    usual_names,
    written,
)
from tests.helpers.workspace import CONFIG, SCHEDULE

LOADED = {"load": "./tokenizer"}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in a workspace that nobody changed."""
    return usual_names(tmp_path_factory.mktemp("usual"))


def _bit_of_a_weight(folder: Path) -> None:
    # The last byte of the file belongs to the last tensor.
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    facts = (folder / WEIGHTS).stat()
    (folder / WEIGHTS).write_bytes(bytes(data))
    os.utime(folder / WEIGHTS, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _two_tensors_exchanged(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    first, second = "model.layers.0.mlp.up_proj.weight", "model.layers.1.mlp.up_proj.weight"
    tensors[first], tensors[second] = tensors[second], tensors[first]
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def _weights_in_half_precision(folder: Path) -> None:
    tensors = {key: value.astype(np.float16) for key, value in load_file(folder / WEIGHTS).items()}
    save_file(tensors, folder / WEIGHTS, {"format": "pt"})


def _byte_of_text(folder: Path) -> None:
    path = folder / "text/new.jsonl"
    facts = path.stat()
    path.write_text(path.read_text().replace("river", "rivet", 1))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def _document_removed(folder: Path) -> None:
    path = folder / "text/old.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _two_tokens_exchanged(folder: Path) -> None:
    for place in ("tokenizer", "base"):
        path = folder / place / "tokenizer.json"
        data = json.loads(path.read_text())
        vocabulary = data["model"]["vocab"]
        vocabulary["a"], vocabulary["o"] = vocabulary["o"], vocabulary["a"]
        path.write_text(json.dumps(data))


MATTERS: dict[str, Change] = {
    "a bit of a weight, with the old time": _bit_of_a_weight,
    "two tensors of one shape exchanged": _two_tensors_exchanged,
    "weights of another precision": _weights_in_half_precision,
    "a constant of the configuration": model_field("rms_norm_eps", 1e-5),
    "the base of the rotary embedding": model_field(
        "rope_parameters", {"rope_type": "default", "rope_theta": 5e5}
    ),
    "the activation": model_field("hidden_act", "gelu"),
    "a byte of text, with the old time": _byte_of_text,
    "a document": _document_removed,
    "the ids of two tokens": _two_tokens_exchanged,
    "the share that is held out": corpus(validation="30%"),
    "the seed of the corpus' shuffle": corpus(seed=1),
    "no pretrained model": written(model={"config": dict(CONFIG)}),
    "precision": written(execution={"precision": "bfloat16"}),
    "the seed": written(seed=1),
    "rows of a step": written(global_batch=8),
    "tokens of a row": written(sequence_length=8),
    "the highest rate": stage(schedule={**SCHEDULE, "max_lr": "2e-3"}),
    "the lowest rate": stage(schedule={**SCHEDULE, "min_lr": "20%"}),
    "warm-up": stage(schedule={**SCHEDULE, "warmup": "50%"}),
    "replay": stage(replay="50%"),
    "the mixture": stage(mixture={"new": "75%", "old": "25%"}, replay=0),
    "steps": stage(steps=5),
    "the hand-off of the optimizer": stage(optimizer="carry"),
    "a constant of the optimizer": written(optimizer={"beta2": 0.9}),
    "weight decay": written(optimizer={"weight_decay": 0.2}),
    "clipping": written(optimizer={"gradient_clip": 0.5}),
    "control tokens in text": written(tokenizer={**LOADED, "control_tokens": "tokens"}),
    "what is trained": stage(trains="embeddings"),
    "what is frozen": stage(trains={"freeze": ["*norm*"]}),
    "adapters": stage(trains={"lora": {"rank": 2}}),
    "replay from a stand-in": new_alone(["old"], replay="25%"),
}


@pytest.mark.parametrize("change", MATTERS.values(), ids=MATTERS)
def test_what_changes_a_step_changes_the_name(
    change: Change, usual: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(changed_names(tmp_path, change, monkeypatch)).isdisjoint(usual)


DIFFERENT: dict[str, tuple[Change, Change]] = {
    "shares of stand-ins by their tokens": (
        new_alone({"more": "1M", "old": "1M"}, replay="50%"),
        new_alone({"more": "3M", "old": "1M"}, replay="50%"),
    ),
    "the rank of adapters": (
        stage(trains={"lora": {"rank": 2}}),
        stage(trains={"lora": {"rank": 4}}),
    ),
    "alpha": (
        stage(trains={"lora": {"rank": 2}}),
        stage(trains={"lora": {"rank": 2, "alpha": 5}}),
    ),
    "the targets of adapters": (
        stage(trains={"lora": {"targets": "q_proj"}}),
        stage(trains={"lora": {"targets": "v_proj"}}),
    ),
    "only and freeze": (stage(trains={"only": "*norm*"}), stage(trains={"freeze": "*norm*"})),
}


@pytest.mark.parametrize("changes", DIFFERENT.values(), ids=DIFFERENT)
def test_what_these_fields_say_is_in_the_name(
    changes: tuple[Change, Change], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (
        changed_names(tmp_path / str(number), change, monkeypatch)
        for number, change in enumerate(changes)
    )
    assert set(first).isdisjoint(second)
