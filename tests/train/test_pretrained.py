"""Training from a checkpoint in the storage, and what its states can do without the folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models

from raycl.data.manifest import fingerprinted, load_manifest, write_manifest
from raycl.data.tokenizer import store_tokenizer
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError
from raycl.evaluation.losses import evaluate_state
from raycl.export.export import export_state
from raycl.models.read import read_start
from raycl.models.store import store_start
from raycl.plan.merge_method import ties
from raycl.plan.model_fields import trained_fields
from raycl.plan.training import ModelSpec, Training
from raycl.states.mark import read_mark
from raycl.storage import Storage
from raycl.train.loop import train
from raycl.train.parallel.precision import compute_dtype
from raycl.train.start.fill import whole_model
from raycl.weights.merge import merge_states
from tests.helpers.stored_tensors import difference, tensors
from tests.helpers.training_runs import (
    CONFIG,
    LENGTH,
    VOCABULARY,
    make_batches,
    make_storage,
    make_task,
)

END = make_task().chain.name(6)


def run(storage: Storage, task: Training) -> None:
    train(task, storage, make_batches(task, storage), lambda _: None)


def give_tokenizer(storage: Storage) -> None:
    """Let both corpora be of a tokenizer that the storage holds."""
    words = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, VOCABULARY)}}
    made = Tokenizer(models.WordLevel(words, "w1"))
    made.add_special_tokens(["<|endoftext|>"])
    fingerprint = store_tokenizer(storage, make_tokenizer(TokenizerFiles("x", made.to_str())))
    for name in ("new", "older"):
        manifest = load_manifest(storage, f"corpora/{name}")
        write_manifest(storage, f"corpora/{name}", fingerprinted(manifest, tokenizer=fingerprint))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A checkpoint whose weights are those of the random start of `make_task`."""
    model = whole_model(make_task().model, LENGTH, make_task().seed).model
    model.generation_config.temperature = 0.25
    model.generation_config.do_sample = True
    model.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.fixture
def task(base: Path, storage: Storage) -> Training:
    start = read_start(str(base), Path("/"))
    store_start(storage, start)
    return replace(make_task(), model=ModelSpec(trained_fields(start.config), start.identifier))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    place = make_storage(tmp_path / "storage")
    give_tokenizer(place)
    return place


def test_it_trains_from_the_weights_of_the_checkpoint(
    storage: Storage, task: Training, base: Path, tmp_path: Path
) -> None:
    shutil.rmtree(base)  # workers read the storage alone
    run(storage, task)
    other = make_storage(tmp_path / "other")
    run(other, make_task())
    assert difference(tensors(storage, 6), tensors(other, 6)) == 0


def test_a_damaged_or_missing_checkpoint_ends_the_training(
    storage: Storage, task: Training
) -> None:
    path = f"starts/{task.model.pretrained}/model.safetensors"
    data = storage.read_bytes(path)
    storage.write_bytes(path, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match=r"model\.safetensors: it does not match its checksum"):
        run(storage, task)
    storage.remove_folder(f"starts/{task.model.pretrained}")
    with pytest.raises(InputError, match="not in storage"):
        run(storage, task)
    assert not storage.exists("states")


def test_a_state_needs_nothing_outside_of_its_storage(
    storage: Storage, task: Training, base: Path, tmp_path: Path
) -> None:
    run(storage, replace(task, stop=2))
    shutil.rmtree(base)
    shutil.rmtree(tmp_path / "storage" / "starts")
    run(storage, task)  # goes on
    mark = read_mark(storage, END)
    assert mark.model == task.model
    losses = evaluate_state(storage, END, ["new"])
    merged = merge_states(storage, task.chain.name(2), [END], ties(1))
    assert evaluate_state(storage, merged, ["new"]).keys() == losses.keys()
    for name, folder in ((END, "trained"), (merged, "merged")):
        assert export_state(storage, name[:20], tmp_path / folder).state.name == name
        model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / folder)
        assert model.config.hidden_size == CONFIG["hidden_size"]
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / folder)
        assert (tokenizer.eos_token, tokenizer.vocab_size) == ("<|endoftext|>", VOCABULARY)


def test_an_export_has_the_tokenizer_without_corpora_and_the_generation_settings(
    storage: Storage, task: Training, tmp_path: Path
) -> None:
    run(storage, replace(task, stop=2))
    shutil.rmtree(tmp_path / "storage" / "corpora")
    export_state(storage, task.chain.name(2), tmp_path / "out")
    settings = transformers.GenerationConfig.from_pretrained(tmp_path / "out")
    assert settings.temperature == 0.25
    with pytest.raises(InputError, match="not empty"):
        export_state(storage, task.chain.name(2), tmp_path / "out")


def test_a_precision_that_the_device_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "an old card")
    with pytest.raises(InputError, match="an old card has no bfloat16"):
        compute_dtype("bfloat16", torch.device("cuda"))
    assert compute_dtype("float32", torch.device("cuda")) == torch.float32
    assert compute_dtype("bfloat16", torch.device("cpu")) == torch.bfloat16
