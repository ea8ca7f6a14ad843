"""Merges with the pretrained model that a training began from, and instruct residuals."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models

from raycl.cli.main import main
from raycl.data.manifest import fingerprinted, load_manifest, write_manifest
from raycl.data.tokenizer import store_tokenizer
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError
from raycl.evaluation.losses import evaluate_state
from raycl.export.export import export_state
from raycl.models.read import read_start
from raycl.models.store import start_weights, store_start
from raycl.plan.merge_method import MergeMethod
from raycl.plan.model_fields import trained_fields
from raycl.plan.training import ModelSpec, Training
from raycl.states.inventory import stored_states
from raycl.states.mark import MergeOrigin, read_mark
from raycl.states.tensor_index import Box, whole
from raycl.states.verify import state_faults
from raycl.storage import Storage
from raycl.train.checkpoint.load import load_model
from raycl.train.checkpoint.stored_state import read_state
from raycl.train.checkpoint.tensors import named_tensors
from raycl.train.loop import train
from raycl.train.model.language_model import empty_model
from raycl.train.start.fill import whole_model
from raycl.weights import merge as merging
from raycl.weights.instruct_model import keep_instruct
from raycl.weights.merge import merge_states
from raycl.weights.start import StartWeights
from tests.helpers.model_types import TRAINABLE
from tests.helpers.training_runs import VOCABULARY, make_batches, make_storage, make_task

SHAPE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
LINEAR = MergeMethod("linear", Fraction(1, 4))
RESIDUAL = MergeMethod("instruct-residual", Fraction(1, 2))
END = make_task().chain.name(2)


def llama(folder: Path, seed: int, vocabulary: int = VOCABULARY, **fields: Any) -> Path:
    """A tiny Llama in a folder of several shards, in bfloat16."""
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(**SHAPE | fields, vocab_size=vocabulary)
    model = transformers.LlamaForCausalLM(config).bfloat16()
    model.generation_config.max_length = 70 + seed
    model.save_pretrained(folder, max_shard_size="8KB")
    assert len(list(folder.glob("*.safetensors"))) > 1
    return folder


def loaded(folder: Path) -> dict[str, torch.Tensor]:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return {f"model.{name}": weight.detach() for name, weight in model.named_parameters()}


def weights(storage: Storage, name: str) -> dict[str, torch.Tensor]:
    return named_tensors(load_model(storage, read_state(storage, name), 1), None)


def tokenizer(words: dict[str, int]) -> str:
    made = Tokenizer(models.WordLevel(words, "w1"))
    made.add_special_tokens(["<|endoftext|>"])
    return made.to_str()


def give_tokenizer(storage: Storage) -> None:
    made = make_tokenizer(TokenizerFiles("x", tokenizer(WORDS)))
    fingerprint = store_tokenizer(storage, made)
    for name in ("new", "older"):
        manifest = load_manifest(storage, f"corpora/{name}")
        write_manifest(storage, f"corpora/{name}", fingerprinted(manifest, tokenizer=fingerprint))


WORDS = {"<|endoftext|>": 0, **{f"w{n}": n for n in range(1, VOCABULARY)}}


@pytest.fixture(params=[False, True], ids=["untied", "tied"])
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return llama(tmp_path / "base", 1, tie_word_embeddings=request.param)


@pytest.fixture
def storage(tmp_path: Path, base: Path) -> Storage:
    """A storage with a state of two steps from the base."""
    place = make_storage(tmp_path / "storage")
    give_tokenizer(place)
    start = read_start(str(base), Path("/"))
    store_start(place, start)
    spec = ModelSpec(trained_fields(start.config), start.identifier)
    train_two(place, replace(make_task(2), model=spec))
    return place


def train_two(storage: Storage, task: Training) -> None:
    train(task, storage, make_batches(task, storage), lambda _: None)


def test_a_merge_with_the_start(storage: Storage, base: Path) -> None:
    start, end = loaded(base), weights(storage, END)
    name = merge_states(storage, "start", [END], LINEAR)
    found = weights(storage, name)
    assert found.keys() == end.keys() == start.keys()
    for key in end:
        expected = 0.75 * start[key].double() + 0.25 * end[key].double()
        torch.testing.assert_close(found[key], expected.float(), rtol=1e-6, atol=1e-9)
    mark = read_mark(storage, name)
    identifier = mark.model.pretrained
    origin = MergeOrigin(base=f"starts/{identifier}", states=(END,), method="linear", weight=0.25)
    assert mark.merged == origin
    assert list(state_faults(storage, name)) == []
    (facts,) = [state for state in stored_states(storage) if state.name == name]
    assert (facts.kind, facts.merged_from, facts.needs) == ("merged", (END,), (END,))
    assert merge_states(storage, f"starts/{identifier}", [END[:14]], LINEAR) == name


def test_both_ends_are_the_models_to_the_bit(storage: Storage, base: Path) -> None:
    whole_way = merge_states(storage, "start", [END], MergeMethod("linear", Fraction(1)))
    nothing = merge_states(storage, "start", [END], MergeMethod("linear", Fraction(0)))
    assert evaluate_state(storage, whole_way, ["new"]) == evaluate_state(storage, END, ["new"])
    for name, expected in ((whole_way, weights(storage, END)), (nothing, loaded(base))):
        found = weights(storage, name)
        assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_slices_give_the_same_merge(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_tensors = weights(storage, merge_states(storage, "start", [END], LINEAR))
    storage.remove_folder("states/" + merge_states(storage, "start", [END], LINEAR))
    monkeypatch.setattr(merging, "_SLICE_NUMBERS", 40)
    sliced = weights(storage, merge_states(storage, "start", [END], LINEAR))
    assert all(torch.equal(whole_tensors[key], sliced[key]) for key in sliced)


def test_an_instruct_residual(storage: Storage, base: Path, tmp_path: Path) -> None:
    tied = bool(json.loads((base / "config.json").read_text())["tie_word_embeddings"])
    folder = llama(tmp_path / "instruct", 2, tie_word_embeddings=tied)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    identifier = keep_instruct(storage, str(folder), "start", END)
    name = merge_states(storage, "start", [END], RESIDUAL, identifier)
    start, instruct, end = loaded(base), loaded(folder), weights(storage, END)
    found = weights(storage, name)
    for key in end:
        residual = instruct[key].double() - start[key].double()
        expected = (end[key].double() + 0.5 * residual).float()
        torch.testing.assert_close(found[key], expected, rtol=1e-6, atol=1e-9)
    merged = read_mark(storage, name).merged
    assert merged is not None
    assert (merged.method, merged.instruct) == ("instruct-residual", identifier)
    export_state(storage, name, tmp_path / "out")
    assert (tmp_path / "out" / "chat_template.jinja").read_text() == "{{ messages }}"
    assert transformers.GenerationConfig.from_pretrained(tmp_path / "out").max_length == 72


def test_an_instruct_model_that_does_not_fit_is_not_copied(
    storage: Storage, base: Path, tmp_path: Path
) -> None:
    before = storage.list("starts")
    wider = llama(tmp_path / "wider", 2, VOCABULARY + 1)
    with pytest.raises(InputError, match=r"weight is \[65, 32\], but (\[64, 32\]|none) in"):
        keep_instruct(storage, str(wider), "start", END)
    tied = bool(json.loads((base / "config.json").read_text())["tie_word_embeddings"])
    other = llama(tmp_path / "other", 2, tie_word_embeddings=tied, rms_norm_eps=0.1)
    with pytest.raises(InputError, match=r"the rms_norm_eps of its model is 0.1, but 1e-06 in"):
        keep_instruct(storage, str(other), "start", END)
    same = llama(tmp_path / "same", 2, tie_word_embeddings=tied, max_position_embeddings=128)
    swapped = {**WORDS, "w2": 3, "w3": 2}
    (same / "tokenizer.json").write_text(tokenizer(swapped))
    with pytest.raises(InputError, match=r"its token 'w2' is number 3, but 2 in the tokenizer of"):
        keep_instruct(storage, str(same), "start", END)
    with pytest.raises(InputError, match=r"--instruct .*nowhere"):
        keep_instruct(storage, str(tmp_path / "nowhere"), "start", END)
    assert storage.list("starts") == before


def test_a_random_start_is_refused(tmp_path: Path) -> None:
    storage = make_storage(tmp_path)
    train_two(storage, make_task(2))
    with pytest.raises(InputError, match="began from random weights, which know nothing"):
        merge_states(storage, "start", [END], LINEAR)


def test_a_start_that_is_gone_is_named(storage: Storage) -> None:
    storage.remove_folder(f"starts/{read_mark(storage, END).model.pretrained}")
    with pytest.raises(InputError, match="which is not in storage"):
        merge_states(storage, "start", [END], LINEAR)


def test_a_damaged_start_is_named(storage: Storage) -> None:
    folder = f"starts/{read_mark(storage, END).model.pretrained}"
    path = next(f"{folder}/{f}" for f in storage.list(folder) if f.endswith(".safetensors"))
    data = storage.read_bytes(path)
    storage.write_bytes(path, data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(InputError, match=r"safetensors: it does not match its checksum"):
        merge_states(storage, "start", [END], LINEAR)


@pytest.mark.parametrize("kind", ["gpt2", "mixtral", "qwen3_moe", "gemma3_text", "llama"])
def test_any_part_of_a_start_is_what_training_begins_from(kind: str, tmp_path: Path) -> None:
    """Some kinds store experts one by one, or under other names than those of the model."""
    config = transformers.AutoConfig.for_model(kind, **TRAINABLE[kind])
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path / "model")
    storage = Storage(tmp_path / "storage")
    start = read_start(str(tmp_path / "model"), Path("/"))
    store_start(storage, start)
    files = start_weights(storage, start.identifier)
    spec = ModelSpec(trained_fields(start.config), start.identifier)
    found = StartWeights(files, empty_model(spec, 1))
    expected = named_tensors(whole_model(spec, 1, files), None)
    assert found.facts.keys() == expected.keys()
    for name, values in expected.items():
        assert torch.equal(found.read(name, whole(values.shape)), values)
        part = tuple(size - size // 2 for size in values.shape)
        offsets = tuple(size // 2 for size in values.shape)
        places = tuple(slice(offset, None) for offset in offsets)
        assert torch.equal(found.read(name, Box(offsets, part)), values[places])


def test_the_command(storage: Storage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["merge", *arguments, "--storage", storage.url])
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out + captured.err

    code, out = command(END, "--weight", "25%", "--weight", "1", "--corpus", "new")
    assert code == 0
    quarter = merge_states(storage, "start", [END], LINEAR)
    assert f"weight 25%: {quarter}" in out
    for name in (quarter, END):  # beside the losses of the states
        assert f"{evaluate_state(storage, name, ['new'])['new']:.4f}" in out
    code, out = command(END, "--method", "task-arithmetic", "--weight", "1.5")
    assert (
        merge_states(storage, "start", [END], MergeMethod("task-arithmetic", Fraction(3, 2))) in out
    )
    for arguments, message in (
        (["--method", "slerp"], "--method 'slerp': not known. Give linear, task-arithmetic, ties"),
        (["--weight", "150%"], "--weight '150%': weight 150%: not a share of the trained weights"),
        (["--weight", "much"], "--weight 'much'"),
        (["--method", "ties", "--weight", "1"], "ties has none. Give --scale"),
        (["--method", "linear", "--density", "1"], "--density: linear has none"),
        (["--method", "linear", "--scale", "2"], "--scale: linear has none"),
        (["--instruct", "x", "--method", "linear"], "--instruct is a method of its own"),
        (["--instruct", str(tmp_path / "no")], "--instruct "),
        ([END, "--instruct", "x"], "2 states are named. Name one"),
    ):
        code, out = command(END, *arguments)
        assert (code, message in out.replace("\n", "")) == (2, True), out


def test_the_command_adds_an_instruct_residual(
    storage: Storage, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tied = bool(json.loads((base / "config.json").read_text())["tie_word_embeddings"])
    folder = llama(tmp_path / "instruct", 2, tie_word_embeddings=tied)
    with pytest.raises(SystemExit) as ended:
        main(["merge", END, "--instruct", str(folder), "--weight", "0.5", "--storage", storage.url])
    assert ended.value.code in (None, 0)
    identifier = read_start(str(folder), Path("/")).identifier
    out = capsys.readouterr().out
    assert f"weight 50%: {merge_states(storage, 'start', [END], RESIDUAL, identifier)}" in out
    assert identifier in out
