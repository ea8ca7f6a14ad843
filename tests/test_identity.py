"""The name of a trained state changes with everything that changes a step, and with nothing else.

Each test makes one change of a workspace: recipe, text, tokenizer, pretrained model. The corpora
are really prepared, in this process, and the names are those that a sweep would train.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from raycl.cli.main import main
from raycl.data.prepare import ray_tasks
from raycl.recipe.definition import define, read_manifests
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.storage import Storage
from raycl.sweep.prepare_corpora import prepare_all, ready_text
from tests.helpers.held_out_text import run_here
from tests.helpers.workspace import CONFIG, SCHEDULE, add_base, make_workspace, recipe, write
from tests.malformed.refusal import ClusterStartedError, sweep

Change = Callable[[Path], object]
WEIGHTS = "base/model.safetensors"
LOADED = {"load": "./tokenizer"}


def end_states(folder: Path) -> list[str]:
    """Names of the last states of all recipes of the workspace, its corpora newly prepared."""
    storage = Storage(folder / "storage")
    definition = define(folder / "recipe.yaml")
    material = definition.recipe
    with patch.object(ray_tasks, "run_tasks", run_here):
        sources = ready_text(material, storage, "recipe.yaml", lambda _: None)
        prepare_all(material, sources, storage, lambda _: None)
    return names(plan_sweeps((definition,), storage, read_manifests((definition,), storage)))


def names(plan: SweepPlan) -> list[str]:
    """Names of the last states of all recipes."""
    chains = [training.chain for training in plan.tree.recipes.values()]
    return [chain.name(chain.steps) for chain in chains]


def with_base(folder: Path) -> None:
    """The workspace of all tests: the recipe continues from a pretrained model."""
    add_base(folder)
    write(folder, _recipe())


def _recipe(**changes: Any) -> dict[str, Any]:
    return recipe(**{"model": {"pretrained": "./base"}, **changes})


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in a workspace that nobody changed."""
    folder = tmp_path_factory.mktemp("usual")
    make_workspace(folder)
    with_base(folder)
    with pytest.MonkeyPatch.context() as patch_folder:
        patch_folder.chdir(folder)
        return end_states(folder)


def changed_names(folder: Path, change: Change, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names after the change."""
    make_workspace(folder)
    with_base(folder)
    change(folder)
    monkeypatch.chdir(folder)
    return end_states(folder)


def written(**changes: Any) -> Change:
    """The change that replaces fields of the recipe."""
    return lambda folder: write(folder, _recipe(**changes))


def stage(**fields: Any) -> Change:
    """The change that replaces fields of the recipe's last stage."""
    first, last = recipe()["stages"]
    return written(stages=[first, {**last, **fields}])


def corpus(**fields: Any) -> Change:
    """The change that replaces fields of the corpus `old`."""
    corpora = recipe()["corpora"]
    return written(corpora={**corpora, "old": {**corpora["old"], **fields}})


def knowing(stand_ins: Any) -> Change:
    """The change that names what the pretrained model knows."""
    return written(model={"pretrained": "./base", "knows": stand_ins})


def new_alone(stand_ins: Any, **fields: Any) -> Change:
    """The change that leaves the last stage alone, after what the pretrained model knows."""
    model = {"pretrained": "./base", "knows": stand_ins}
    corpora = {**recipe()["corpora"], "more": {"text": "text/old.jsonl", "validation": "30%"}}
    stages = [{**recipe()["stages"][1], **fields}]
    return written(model=model, stages=stages, corpora=corpora)


def model_field(name: str, value: Any) -> Change:
    """The change of one field of the pretrained model's config.json."""

    def change(folder: Path) -> None:
        path = folder / "base/config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))

    return change


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


def _touched(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))


def _model_elsewhere(folder: Path) -> None:
    (folder / "models").mkdir()
    (folder / "base").rename(folder / "models/ours")
    write(folder, _recipe(model={"pretrained": str(folder / "models/ours")}))


def _model_through_a_link(folder: Path) -> None:
    (folder / "base").rename(folder / "moved")
    (folder / "base").symlink_to("moved")


def _weights_in_two_files(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    files: dict[str, dict[str, np.ndarray]] = {"one.safetensors": {}, "two.safetensors": {}}
    for number, name in enumerate(sorted(tensors, reverse=True)):
        files[sorted(files)[number % 2]][name] = tensors[name]
    for name, part in files.items():
        save_file(part, folder / "base" / name, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {key: f for f, part in files.items() for key in part}}
    (folder / "base/model.safetensors.index.json").write_text(json.dumps(index))


def _weights_saved_again(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    backwards = dict(sorted(tensors.items(), reverse=True))
    save_file(backwards, folder / WEIGHTS, {"format": "pt", "saved": "again"})


def _configuration_laid_out_anew(folder: Path) -> None:
    path = folder / "base/config.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(dict(sorted(data.items(), reverse=True)), indent=7))


def _text_in_two_files(folder: Path) -> None:
    lines = (folder / "text/old.jsonl").read_text().splitlines(keepends=True)
    (folder / "text/z.jsonl").write_text("".join(lines[:30]))
    (folder / "text/y.jsonl").write_text("".join(reversed(lines[30:])))
    corpus(text=["text/y.jsonl", "text/z.jsonl"])(folder)


def _text_compressed(folder: Path) -> None:
    (folder / "text/old.jsonl.gz").write_bytes(
        gzip.compress((folder / "text/old.jsonl").read_bytes())
    )
    corpus(text="text/old.jsonl.gz")(folder)


def _text_renamed(folder: Path) -> None:
    shutil.move(folder / "text/old.jsonl", folder / "text/first.jsonl")
    corpus(text="text/first.jsonl")(folder)


def _other_fields_of_lines(folder: Path) -> None:
    lines = (folder / "text/old.jsonl").read_text().splitlines()
    edited = [json.dumps({"url": "x", "text": json.loads(line)["text"]}) for line in lines]
    (folder / "text/old.jsonl").write_text("\n\n".join(edited))


def _another_tokenizer_folder(folder: Path) -> None:
    (folder / "tokenizer").rename(folder / "vocabulary")
    write(folder, _recipe(tokenizer="./vocabulary"))


DOES_NOT: dict[str, Change] = {
    "time stamps": _touched,
    "the path of the model": _model_elsewhere,
    "a link to the model": _model_through_a_link,
    "the files of the weights": _weights_in_two_files,
    "the order of a file's tensors, and its metadata": _weights_saved_again,
    "the layout of config.json": _configuration_laid_out_anew,
    "what transformers notes of itself": model_field("transformers_version", "5.0.0"),
    "the path that the model was loaded from": model_field("_name_or_path", "elsewhere"),
    "the cache for generating": model_field("use_cache", False),
    "the precision that the configuration names": model_field("dtype", "bfloat16"),
    "dropout, which is always off": model_field("attention_dropout", 0.1),
    "files of the text, and their order": _text_in_two_files,
    "the text's compression": _text_compressed,
    "the text's name": _text_renamed,
    "other fields and blank lines": _other_fields_of_lines,
    "the tokenizer's folder": _another_tokenizer_folder,
    "the tokenizer beside the model": written(tokenizer="./base"),
    "the precision that `auto` means here": written(execution={"precision": "float32"}),
    "micro-batch": written(execution={"micro_batch": 1}),
    "workers": stage(workers=2),
    "compilation": written(execution={"compile": True}),
    "checkpointing": written(execution={"activation_checkpointing": True}),
    "saving": written(execution={"save_every": 2, "keep_last": 1, "keep_every": 2}),
    "validation": written(validation={"rows": 1, "every": 1}),
    "the sweep's name": written(name="other"),
    "control tokens that stay text": written(tokenizer={**LOADED, "control_tokens": "text"}),
    "training all, spelled out": stage(trains="all"),
    "training all, as a mapping": stage(trains={}),
    "a stand-in that is not replayed before its stage": knowing(["old"]),
    "tokens of a stand-in whose stage says what is replayed": knowing({"old": "1M"}),
    "merges": written(merge=[{"with": "start"}, {"with": "old", "weights": ["25%"]}]),
    "what is kept": written(execution={"keep": "weights"}),
}


@pytest.mark.parametrize("change", DOES_NOT.values(), ids=DOES_NOT)
def test_what_changes_no_step_changes_no_name(
    change: Change, usual: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert changed_names(tmp_path, change, monkeypatch) == usual


SAME: dict[str, tuple[Change, Change]] = {
    "stand-ins in another order": (
        new_alone(["old", "more"], replay="50%"),
        new_alone(["more", "old"], replay="50%"),
    ),
    "tokens of the only stand-in": (new_alone(["old"]), new_alone({"old": "3M"})),
    "stand-ins without replay": (new_alone([], replay=0), new_alone({"old": "3M"}, replay=0)),
    "targets of adapters in another order": (
        stage(trains={"lora": {"targets": ["q_proj", "v_proj"]}}),
        stage(trains={"lora": {"targets": ["v_proj", "q_proj", "q_proj"], "rank": 16}}),
    ),
    "alpha by default": (
        stage(trains={"lora": {"rank": 4}}),
        stage(trains={"lora": {"rank": 4, "alpha": 8, "targets": "all-linear"}}),
    ),
    "patterns in another order": (
        stage(trains={"only": ["*norm*", "embeddings"]}),
        stage(trains={"only": ["embeddings", "*norm*", "*norm*"], "freeze": None}),
    ),
    "the word for embeddings": (stage(trains="embeddings"), stage(trains={"only": "embeddings"})),
}


@pytest.mark.parametrize("changes", SAME.values(), ids=SAME)
def test_two_spellings_have_one_name(
    changes: tuple[Change, Change], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for number, change in enumerate(changes):
        found.append(changed_names(tmp_path / str(number), change, monkeypatch))
    assert found[0] == found[1]


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


def test_labels_change_no_name(
    usual: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = written(sweep=[{"label": "mine", "new.replay": ["25%", "50%"]}])
    found = changed_names(tmp_path, swept, monkeypatch)
    assert usual[0] in found
    assert len(set(found)) == 2


def test_a_prepared_sweep_goes_on_when_the_folder_of_model_and_tokenizer_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = changed_names(tmp_path, written(tokenizer="./base"), monkeypatch)
    with pytest.raises(ClusterStartedError):
        sweep(tmp_path, capsys)
    (tmp_path / "base").rename(tmp_path / "moved")
    with pytest.raises(ClusterStartedError):
        sweep(tmp_path, capsys)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["plan", "recipe.yaml", "--storage", "storage", "--json"])
    assert not ended.value.code
    assert [node["name"] for node in json.loads(capsys.readouterr().out)["nodes"]][-1:] == before
