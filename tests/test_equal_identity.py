"""The name of a trained state stays with everything that changes no step.

Each test makes one change of a workspace: recipe, text, tokenizer, pretrained model.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from raycl.cli.main import main
from tests.helpers.changed_workspace import (
    WEIGHTS,
    Change,
    changed_names,
    continued,
    corpus,
    knowing,
    model_field,
    new_alone,
    stage,
    usual_names,
    written,
)
from tests.helpers.workspace import write
from tests.malformed.refusal import ClusterStartedError, sweep

LOADED = {"load": "./tokenizer"}


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names in a workspace that nobody changed."""
    return usual_names(tmp_path_factory.mktemp("usual"))


def _touched(folder: Path) -> None:
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))


def _model_elsewhere(folder: Path) -> None:
    (folder / "models").mkdir()
    (folder / "base").rename(folder / "models/ours")
    write(folder, continued(model={"pretrained": str(folder / "models/ours")}))


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
    write(folder, continued(tokenizer="./vocabulary"))


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
