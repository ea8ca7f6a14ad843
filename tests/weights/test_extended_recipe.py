"""A recipe on a model with new tokens: plan, training, hand-off, export, and bits per byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from math import log
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from raycl.cli.main import main
from raycl.data.manifest import load_manifest
from raycl.data.prepare import ray_tasks
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import known_tokenizer
from raycl.data.tokenizer.extension_record import ExtensionRecord
from raycl.errors import InputError
from raycl.export.export import ExportOptions, export_state
from raycl.models.extension import vocabulary_extension
from raycl.models.find import find_start
from raycl.models.read import read_start
from raycl.recipe.definition import bind_corpora, define
from raycl.recipe.resolution import store_starts
from raycl.recipe.sweep_plan import SweepPlan, plan_sweeps
from raycl.storage import Storage, layout
from raycl.storage.record import read_record
from raycl.sweep.prepare_corpora import prepare_all, ready_text
from raycl.sweep.vocabulary import ModelGrowth, vocabulary_growth
from raycl.weights.extend import Growth, extend_folder
from tests.helpers.corpus_text import write_lines
from tests.helpers.finished_sweep import train_node
from tests.helpers.held_out_text import run_here
from tests.helpers.trained_recipes import outcomes_table
from tests.helpers.workspace import CONFIG, add_base, make_workspace, recipe, write

NAMED = "<|table|>"
GERMAN = ["der", "Fluss", "fließt", "über", "alte", "Steine", "während", "Vögel", "singen", "schön"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The workspace, whose recipe continues from `./new`: its base with 30 tokens more."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    make_workspace(tmp_path)
    add_base(tmp_path)
    draw = np.random.default_rng(0)
    lines = [f"{n} " + " ".join(draw.choice(GERMAN, draw.integers(5, 60))) for n in range(80)]
    write_lines(tmp_path / "text/new.jsonl", lines)
    growth = Growth(("text/new.jsonl",), 29, (NAMED,), "mean", 10**6)
    list(extend_folder("./base", Path("new"), growth))
    write(tmp_path, {**recipe(model={"pretrained": "./new"}), "tokenizer": {}})
    with patch.object(ray_tasks, "run_tasks", run_here):
        yield tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "recipe.yaml", *words])
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


def prepared() -> Storage:
    storage, definition = Storage("storage"), define(Path("recipe.yaml"))
    resolution = plan_sweeps((definition,), storage).resolution
    store_starts(resolution, storage)
    own = resolution.own_tokenizer
    sources = ready_text(definition.recipe, storage, "recipe.yaml", lambda _: None, own)
    prepare_all(definition.recipe, sources, storage, lambda _: None, own)
    return storage


def planned(storage: Storage | None) -> SweepPlan:
    return plan_sweeps((define(Path("recipe.yaml")),), storage)


def texts(corpus: str) -> list[str]:
    lines = Path(f"text/{corpus}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


def test_the_plan_has_the_tokens_per_byte_before_and_after(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = said(capsys, "--json")
    (model,) = json.loads(out)["vocabulary"]
    assert code == 0
    corpora = {entry.pop("corpus"): entry for entry in model.pop("corpora")}
    assert model == {
        "model": "./new",
        "tokens_before": 300,
        "learned": 29,
        "named": 1,
        "initialize": "mean",
    }
    for name, entry in corpora.items():
        size = sum(len(text.encode()) for text in texts(name))
        assert entry["sample_bytes"] == size  # so small a corpus is read as a whole
        for folder, key in (("./base", "before"), ("./new", "after")):
            tokenizer = known_tokenizer(folder)
            assert tokenizer is not None
            tokens = sum(len(tokenizer.encode(text)) for text in texts(name))
            assert entry[key] == pytest.approx(tokens / size)
    assert corpora["new"]["after"] < 0.7 * corpora["new"]["before"]
    assert corpora["old"]["after"] <= corpora["old"]["before"]
    _, out, _ = said(capsys)
    new = corpora["new"]
    assert "'./new' has 30 new tokens, 1 of them named, beside 300" in out
    assert (
        f"corpus new: {new['before']:.3f} tokens per byte before the new tokens, "
        f"{new['after']:.3f} after" in out
    )


def test_a_model_that_is_as_it_was_has_nothing_to_say(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(here, recipe(model={"pretrained": "./base"}))
    assert json.loads(said(capsys, "--json")[1])["vocabulary"] == []
    assert "new tokens" not in said(capsys)[1]


def test_it_is_known_from_the_storage_when_folders_and_text_are_gone() -> None:
    storage = prepared()
    (before,) = vocabulary_growth(planned(storage), storage)
    for folder in ("new", "base", "text"):
        shutil.rmtree(folder)
    (after,) = vocabulary_growth(planned(storage), storage)
    assert isinstance(after, ModelGrowth)
    assert after.learned == 29
    for first, second in zip(before.corpora, after.corpora, strict=True):
        # Rows are read from some places, and may begin within a word.
        assert 0 < second.sample_bytes < first.sample_bytes
        assert second.before == pytest.approx(first.before, rel=0.05)
        assert second.after == pytest.approx(first.after, rel=0.05)


def test_without_text_and_shards_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree("text")
    code, out, _ = said(capsys)
    assert code == 0
    assert "corpus new: its tokens per byte are not known: neither its text nor" in out


def test_the_record_changes_no_identifier_and_a_damaged_one_is_named(here: Path) -> None:
    path = Path("new") / layout.START_EXTENSION
    record = read_record(Storage("new"), layout.START_EXTENSION, ExtensionRecord)
    assert (record.base_tokens, record.learned, record.named) == (300, 29, (NAMED,))
    with_it = read_start("./new", here)
    path.write_text("{")
    assert read_start("./new", here).identifier == with_it.identifier
    with pytest.raises(InputError, match=f"{layout.START_EXTENSION}.*Remove the file"):
        vocabulary_growth(planned(None), None)
    path.unlink()
    assert vocabulary_growth(planned(None), None) == []


def test_an_edited_tokenizer_is_not_taken_for_the_one_before() -> None:
    path = Path("new/tokenizer.json")
    content = json.loads(path.read_text("utf-8"))
    vocabulary = content["model"]["vocab"]
    first, second = list(vocabulary)[-100:-98]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    path.write_text(json.dumps(content), "utf-8")
    (growth,) = vocabulary_growth(planned(None), None)
    assert {entry.before for entry in growth.corpora} == {None}


def test_a_remote_storage_has_the_record(here: Path) -> None:
    storage = prepared()
    start, _ = find_start("./new", here, storage)
    shutil.rmtree("new")

    found = vocabulary_extension(replace(start, folder=None), storage)  # as on an object store
    assert found is not None
    assert found.new_tokens == 30


def test_new_tokens_with_equal_rows_are_not_called_untrained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = Path("new/model.safetensors")
    tensors = load_file(path)
    table = tensors["model.embed_tokens.weight"]
    tokenizer = known_tokenizer("./new")
    assert tokenizer is not None
    ids = {number for text in texts("new") for number in tokenizer.encode(text)}
    first, second, *_ = sorted(number for number in ids if number >= 300)
    old = min(ids)
    table[second] = table[first] = table[old]
    save_file(tensors, path, {"format": "pt"})
    prepared()
    _, _, err = said(capsys, "--storage", "storage")
    told = " ".join(err.split())
    assert "as new ones, the rows of other tokens in model.embed_tokens.weight" in told
    assert f"(id {first}, " in told
    assert f"(id {old}, " not in told
    assert "cannot tell them apart" not in told

    table[old + 1 : old + 3] = table[old]
    (Path("new") / layout.START_EXTENSION).unlink()
    save_file(tensors, path, {"format": "pt"})
    shutil.rmtree("storage/starts")
    assert "cannot tell them apart" in " ".join(said(capsys, "--storage", "storage")[2].split())


@pytest.mark.parametrize("tied", [True, False])
def test_it_is_trained_exported_and_measured_in_bits_per_byte(here: Path, tied: bool) -> None:
    remade(here, tied)
    storage = prepared()
    plan = planned(storage)
    bind_corpora(storage, plan.sweeps[0].facts)
    for node in plan.tree.nodes:  # the second goes on from the state of the first
        train_node(node.training, storage)
    definition = plan.sweeps[0].definition
    made = export_state(
        storage, plan.tree.nodes[-1].name, here / "out", ExportOptions(dtype="float32")
    )
    manifest = load_manifest(storage, "corpora/new")
    rows = torch.tensor(
        CorpusReader(storage, "corpora/new", manifest, "validation").read(0, 2).astype("int64")
    )
    assert int(rows.max()) >= 300  # new tokens are among those that are predicted
    model, loss = loaded("out", rows)
    (row,) = outcomes_table(definition, storage).to_dict("records")
    assert loss == pytest.approx(row["loss/new"], abs=1e-5)
    assert made.loss is not None
    assert made.loss.loaded == pytest.approx(made.loss.own, abs=1e-5)
    head, embedding = model.get_output_embeddings().weight, model.get_input_embeddings().weight
    assert (head is embedding) == tied
    assert len(embedding) == model.config.vocab_size == 332
    held_out = manifest.validation
    per_byte = held_out.tokens / held_out.bytes
    assert row["bits_per_byte/new"] == pytest.approx(loss / log(2) * per_byte, rel=1e-5)
    assert loss < loaded("new", rows)[1]
    # Vocabularies differ: only bits per byte can be compared.
    assert bits_per_byte("out") < bits_per_byte("new") < bits_per_byte("base")
    exported = transformers.AutoTokenizer.from_pretrained("out")
    own = known_tokenizer("./new")
    assert own is not None
    assert exported(texts("new")[0]).input_ids == own.encode(texts("new")[0])


def loaded(folder: str, rows: torch.Tensor) -> tuple[Any, float]:
    """The model that transformers makes of a folder, and its loss on rows of tokens."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(input_ids=rows[:, :-1]).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
    return model, loss.item()


def bits_per_byte(folder: str) -> float:
    """Of the beginnings of some texts, with the tokenizer of a folder."""
    tokenizer = known_tokenizer(f"./{folder}")
    assert tokenizer is not None
    bits = size = 0.0
    for text in (document[:40] for document in texts("new")[:8]):
        ids = torch.tensor([[tokenizer.end, *tokenizer.encode(text)]])
        bits += loaded(folder, ids)[1] * (ids.shape[1] - 1) / log(2)
        size += len(text.encode())
    return bits / size


def remade(folder: Path, tied: bool) -> None:
    """The base with or without a head of its own, and its extension."""
    config = transformers.AutoConfig.for_model(**{**CONFIG, "tie_word_embeddings": tied})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained("base")
    shutil.rmtree(folder / "new")
    growth = Growth(("text/new.jsonl",), 29, (NAMED,), "mean", 10**6)
    list(extend_folder("./base", Path("new"), growth))
