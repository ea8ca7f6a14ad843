"""A recipe that gives its model another tokenizer: such a model is made once, and is the start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
import transformers
from tokenizers import Tokenizer

from raycl.cli.main import main
from raycl.data.manifest import load_manifest
from raycl.data.prepare import ray_tasks
from raycl.data.shards import CorpusReader
from raycl.data.tokenizer import known_tokenizer
from raycl.errors import InputError
from raycl.models.read import read_start
from raycl.recipe.definition import bind_corpora, define, definition_of
from raycl.recipe.resolution import Resolution, write_resolution
from raycl.recipe.stored_chains import stored_chains
from raycl.recipe.sweep_plan import plan_sweeps, resolve_inputs
from raycl.recipe.written_recipe import written_recipe
from raycl.storage import Storage, layout
from raycl.submit.package import named_paths
from raycl.sweep import new_tokens
from raycl.sweep.description import write_description
from raycl.sweep.verify import verify_storage
from raycl.sweep.vocabulary import vocabulary_growth
from raycl.weights.replace import Replacement, replace_in_folder
from tests.helpers.extended_recipes import made, names, planned, prepared
from tests.helpers.finished_sweep import train_node
from tests.helpers.held_out_text import run_here
from tests.helpers.tokenizers import byte_level, unigram, write_tokenizer
from tests.helpers.workspace import VOCABULARY, add_base, make_workspace, recipe, write

OTHER = {"tokenizer": "./other"}
ROWS = 400
"""The other tokenizer has 400 tokens, and 300 rows are a multiple of 4."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The workspace, whose recipe gives `./base` the tokenizer of `./other`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    make_workspace(tmp_path)
    add_base(tmp_path)
    other()
    asked()
    with patch.object(ray_tasks, "run_tasks", run_here):
        yield tmp_path


def other(tokenizer: Tokenizer | None = None, folder: str = "other", **config: Any) -> None:
    named = {"eos_token": "<|endoftext|>", **config}
    write_tokenizer(Path(folder), tokenizer or byte_level(), tokenizer_config=named)


def asked(vocabulary: Mapping[str, Any] = OTHER, **fields: Any) -> None:
    model = {"pretrained": "./base", "vocabulary": dict(vocabulary), **fields.pop("model", {})}
    write(Path(), {**recipe(model=model), "tokenizer": {}, **fields})


def identifier(resolution: Resolution) -> str:
    (start,) = resolution.starts.values()
    return start.identifier


def problem(storage: Storage | None = None) -> str:
    with pytest.raises(InputError) as error:
        planned(storage) if storage is None else made(storage)
    return str(error.value)


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


def starts(storage: Storage) -> list[str]:
    return [n for n in storage.list(layout.STARTS) if storage.exists(layout.start_mark(n))]


def counted(old: str = "./base", new: str = "./other", corpus: str = "new") -> tuple[float, float]:
    """Tokens per byte of a corpus' text with both tokenizers."""
    lines = Path(f"text/{corpus}.jsonl").read_text("utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    size = sum(len(text.encode()) for text in texts)
    both = []
    for folder in (old, new):
        tokenizer = known_tokenizer(folder)
        assert tokenizer is not None
        both.append(sum(len(tokenizer.encode(text)) for text in texts) / size)
    return both[0], both[1]


def test_a_plan_before_it_is_made_has_its_size_rows_and_tokens_per_byte(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, err = command(capsys, "plan", "recipe.yaml")
    assert code == 0, err
    said = " ".join(out.split())
    assert "'./base' gets the tokenizer './other' of 400 tokens in place of its own" in said
    assert f"planned with {ROWS} rows" in said
    assert "names of states are provisional." in said
    assert f"400 tokens in place of {VOCABULARY}; " in said
    before, after = counted()
    assert f"corpus new: {before:.3f} tokens per byte before the change, {after:.3f} after" in said
    data = json.loads(command(capsys, "plan", "recipe.yaml", "--json")[1])
    (model,) = data["vocabulary"]
    assert (model["tokens_before"], model["initialize"]) == (VOCABULARY, "mean")
    assert model["kept"] + model["averaged"] + model["others"] == 400
    assert model["kept"] > 257  # all bytes, and the end of documents
    (to_make,) = data["vocabulary_to_make"]
    assert to_make["reference"] == "./other"
    assert {t.model.config["vocab_size"] for t in planned(None).sweeps[0].trainings.values()} == {
        ROWS
    }
    assert not planned(None).is_prepared


@pytest.mark.parametrize("initialize", ["mean", "weighted-mean"])
def test_it_is_the_model_of_the_command(initialize: str) -> None:
    asked({**OTHER, "initialize": initialize})
    storage, said = Storage("storage"), list[str]()
    resolution = made(storage, said)
    (told,) = replace_in_folder(
        "./base", Path("command"), Replacement("./other", (), initialize, 1)
    )
    assert told.partition(": ")[2].rpartition("; ")[0] in " ".join(said)
    by_command = read_start("./command", Path.cwd())
    assert identifier(resolution) == by_command.identifier
    assert resolution.starts["./base"].config["eos_token_id"] == 0
    assert starts(storage) == [by_command.identifier]  # the base is not kept
    assert resolution.own_tokenizer is not None
    files = Path(f"storage/starts/{by_command.identifier}")
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        assert (files / name).read_text() == Path(f"command/{name}").read_text()
    assert not verify_storage(storage).damaged


def test_another_tokenizer_or_way_makes_another_model_and_none_is_made_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage = Storage("storage")
    first = identifier(made(storage))
    asked({**OTHER, "initialize": "weighted-mean"})
    second = identifier(made(storage))
    other(byte_level(added=("der Fluss",)))
    asked()
    third = identifier(made(storage))
    assert len({first, second, third}) == 3
    monkeypatch.setattr(new_tokens, "_replaced", None)  # whoever makes it again fails
    assert identifier(made(storage)) == third
    other()
    assert identifier(made(storage)) == first
    shutil.move("base", "elsewhere")
    shutil.move("other", "another")
    asked({"tokenizer": "./another"}, model={"pretrained": "./elsewhere"})
    assert identifier(made(storage)) == first


@pytest.mark.parametrize("gone", [("base",), ("other",), ("base", "other")])
def test_it_is_found_when_model_tokenizer_and_text_are_gone(
    capsys: pytest.CaptureFixture[str], gone: tuple[str, ...]
) -> None:
    storage = Storage("storage")
    before = prepared(storage)
    assert before.is_prepared
    (growth,) = vocabulary_growth(before, storage)
    german = next(entry for entry in growth.corpora if entry.corpus == "new")
    assert (german.before, german.after) == pytest.approx(counted())
    for folder in (*gone, "text"):
        shutil.rmtree(folder)
    assert made(storage).starts["./base"].identifier in starts(storage)
    assert names(planned(storage)) == names(before)
    out = command(capsys, "plan", "recipe.yaml", "--storage", "storage")[1]
    assert f"'./base' with another tokenizer: 400 tokens in place of {VOCABULARY}" in out
    assert "tokens per byte before the change" in out


def test_another_model_without_the_tokenizer_is_refused() -> None:
    storage = Storage("storage")
    made(storage)
    shutil.rmtree("other")
    model = transformers.AutoModelForCausalLM.from_pretrained("base")
    with torch.no_grad():
        model.get_input_embeddings().state_dict()["weight"].add_(0.5)
    model.save_pretrained("base")
    assert "model.vocabulary.tokenizer: tokenizer './other': there is no file" in problem(storage)


def test_without_its_mark_it_is_made_again() -> None:
    storage = Storage("storage")
    first = identifier(made(storage))
    Path(f"storage/starts/{first}/start.json").unlink()
    assert resolve_inputs((define(Path("recipe.yaml")),), storage).unmade
    assert identifier(made(storage)) == first


def test_a_tokenizer_of_the_storage() -> None:
    """One that raycl trained for another recipe."""
    storage = Storage("storage")
    prepared(storage)
    (name,) = {n for n in storage.list(layout.TOKENIZERS) if n != "requests"}
    asked({"tokenizer": f"tokenizers/{name}"})
    assert identifier(made(storage)) in starts(storage)
    assert len(starts(storage)) == 1


def test_what_the_recipe_says_of_documents_counts_for_the_new_one() -> None:
    write_tokenizer(Path("other"), byte_level(("<a>", "<b>")))
    Path("other/tokenizer_config.json").unlink()
    assert "no token that ends a document is known" in problem()
    asked(tokenizer={"end_of_document": "<b>"})
    plan = planned(None)
    assert plan.resolution.own_tokenizer is not None
    assert identifier(made(Storage("storage"))) in starts(Storage("storage"))
    start = made(Storage("storage")).starts["./base"]
    assert start.config["eos_token_id"] == 1


def test_what_cannot_be_is_refused() -> None:
    for vocabulary, says in (
        ({}, "give either `add` or `tokenizer`"),
        ({**OTHER, "add": 4}, "give either `add` or `tokenizer`"),
        ({**OTHER, "from": ["new"]}, "`from` and `sample_bytes` are for tokens that are learned"),
        ({**OTHER, "sample_bytes": 100}, "`from` and `sample_bytes` are for tokens"),
        ({"tokenizer": ""}, "model.vocabulary.tokenizer"),
        ({"tokenizer": 5}, "model.vocabulary.tokenizer"),
        ({"tokenizer": {"load": "./other"}}, "model.vocabulary.tokenizer"),
        ({**OTHER, "initialize": "random"}, "model.vocabulary.initialize"),
        ({"tokenizer": "./nowhere"}, "there is no file or folder"),
        ({"tokenizer": "./text"}, "has no tokenizer"),
        ({"tokenizer": "./tokenizer"}, "has this tokenizer already"),
    ):
        asked(vocabulary)
        assert says in problem()
    Path("other/tokenizer.json").write_text("{")
    asked()
    assert "model.vocabulary.tokenizer: tokenizer './other': not a tokenizer.json" in problem()
    other()
    asked(tokenizer={"train": {"vocabulary": 300}})
    assert "takes the place of the model's own tokenizer" in problem()
    write(Path(), recipe(model={**recipe()["model"], "vocabulary": OTHER}))
    assert "vocabulary is about a pretrained model" in problem()
    asked(sweep={"model.vocabulary.tokenizer": ["./other", "./tokenizer"]})
    assert "cannot be swept: the corpora of a storage are prepared with one tokenizer" in problem()
    asked()
    Path("base/tokenizer.json").unlink()
    assert "no tokenizer came with it" in problem()


def test_a_tokenizer_beside_it_is_the_same_one(capsys: pytest.CaptureFixture[str]) -> None:
    asked(tokenizer="./other")
    assert planned(None).tree.nodes
    prepared(Storage("storage"))
    asked(tokenizer="./tokenizer")
    assert "tokenizer './tokenizer': not that of the model './other'" in problem()
    assert "not that of the model" in problem(Storage("storage"))
    write(Path(), {**recipe(model={"pretrained": "./base"}), "tokenizer": "./other"})
    assert "model.vocabulary: {tokenizer: …}" in command(capsys, "plan", "recipe.yaml")[2]


def test_a_sweep_has_one_vocabulary() -> None:
    model = {"pretrained": "./base"}
    both = [{**model, "vocabulary": OTHER}, {**model, "vocabulary": {"add": 10}}]
    write(Path(), {**recipe(model=model), "tokenizer": {}, "sweep": {"model": both}})
    assert "would have different tokenizers" in problem()


def test_a_written_recipe_leads_to_the_same_states_and_a_job_takes_the_tokenizer() -> None:
    storage = Storage("storage")
    plan = prepared(storage)
    definition = plan.sweeps[0].definition
    assert "./other" in named_paths(definition)
    data = written_recipe(definition, definition.variants[0], "cpu")
    assert data["model"]["vocabulary"] == OTHER
    assert names(plan_sweeps((definition_of(data, "written"),), storage)) == names(plan)


def test_baselines_and_random_weights_have_the_new_size() -> None:
    asked(baselines=["union", "scratch"])
    plan = prepared(Storage("storage"))
    trainings = plan.sweeps[0].trainings
    assert {t.model.config["vocab_size"] for t in trainings.values()} == {ROWS}
    assert {t.model.pretrained for t in trainings.values()} == {
        None,
        identifier(plan.resolution),
    }
    asked(model={"weights": "random"})
    (random,) = planned(Storage("storage")).sweeps[0].trainings.values()
    assert random.model.config["vocab_size"] == ROWS


def test_new_tokens_with_equal_rows_are_not_called_untrained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    other(byte_level(added=("#+", "+#")))
    lines = [json.dumps({"text": f"{n} #+ and +# and 0"}) + "\n" for n in range(400)]
    Path("text/new.jsonl").write_text("".join(lines), "utf-8")
    prepared(Storage("storage"))
    _, _, err = command(capsys, "plan", "recipe.yaml", "--storage", "storage")
    said = " ".join(err.split())
    assert "as new ones, the rows of other tokens in model.embed_tokens.weight" in said
    assert "'#+' (id 400, " in said
    assert "'+#' (id 401, " in said
    assert "cannot tell them apart" not in said


def test_it_is_trained_and_exported(capsys: pytest.CaptureFixture[str]) -> None:
    other(unigram(fallback=True), eos_token="</s>")
    storage = Storage("storage")
    plan = prepared(storage)
    (sweep,) = plan.sweeps
    bind_corpora(storage, sweep.facts)
    for node in plan.tree.nodes:
        train_node(node.training, storage)
    recipes = [variant.recipe for variant in sweep.definition.variants]
    write_resolution(storage, sweep.name, plan.resolution, recipes)
    write_description(sweep.definition, storage, plan.tree)
    name = plan.tree.nodes[-1].name
    words = ("export", name, "out", "--storage", "storage", "--dtype", "float32")
    code, _, err = command(capsys, *words)
    assert code == 0, err  # the loss of what transformers loads was compared
    card = " ".join(Path("out/README.md").read_text("utf-8").split())
    assert f"with another tokenizer (290 tokens in place of {VOCABULARY}; " in card
    manifest = load_manifest(storage, "corpora/new")
    rows = torch.tensor(
        CorpusReader(storage, "corpora/new", manifest, "validation").read(0, 2).astype("int64")
    )
    start = f"storage/starts/{identifier(plan.resolution)}"
    assert loss("out", rows) < loss(start, rows)
    assert not Path("out", layout.START_REPLACEMENT).exists()
    for folder in ("base", "text", "other"):
        shutil.rmtree(folder)
    (chain, _), *_ = stored_chains(storage)(sweep.name).values()
    assert chain.name(8) == names(plan)[-1]
    assert planned(storage).is_trained


def loss(folder: str, rows: torch.Tensor) -> float:
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        logits = model(input_ids=rows[:, :-1]).logits
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item()
