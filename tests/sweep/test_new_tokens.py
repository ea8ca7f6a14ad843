"""A recipe that gives its model new tokens: the extended model is made once, and is the start."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
import transformers
import yaml

from raycl.cli.main import main
from raycl.data.prepare import ray_tasks
from raycl.data.tokenizer import known_tokenizer
from raycl.errors import InputError
from raycl.models.read import read_start
from raycl.recipe.definition import bind_corpora, define, definition_of
from raycl.recipe.extend import extended
from raycl.recipe.resolution import stored_resolution, write_resolution
from raycl.recipe.stored_chains import stored_chains
from raycl.recipe.sweep_plan import plan_sweeps, resolve_inputs
from raycl.recipe.written_recipe import written_recipe
from raycl.storage import Storage, layout
from raycl.sweep import new_tokens
from raycl.sweep.description import write_description
from raycl.sweep.new_tokens import make_extensions
from raycl.sweep.verify import verify_storage
from raycl.sweep.vocabulary import ModelGrowth, vocabulary_growth
from raycl.weights.extend import Growth, extend_folder
from tests.helpers.corpus_text import write_lines
from tests.helpers.extended_recipes import made, names, planned, prepared
from tests.helpers.finished_sweep import train_node
from tests.helpers.held_out_text import run_here
from tests.helpers.workspace import VOCABULARY, add_base, make_workspace, recipe, write

GERMAN = ["der", "Fluss", "fließt", "über", "alte", "Steine", "während", "Vögel", "singen", "schön"]
ADDED = {"add": 30, "from": ["new"]}
ROWS = 332
"""300 rows are a multiple of 4 and of no higher power of two, and 330 tokens need one."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The workspace, whose recipe gives `./base` 30 tokens of German."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    make_workspace(tmp_path)
    add_base(tmp_path)
    write_german(seed=0)
    asked()
    with patch.object(ray_tasks, "run_tasks", run_here):
        yield tmp_path


def write_german(seed: int) -> None:
    draw = np.random.default_rng(seed)
    lines = [f"{n} " + " ".join(draw.choice(GERMAN, draw.integers(5, 60))) for n in range(80)]
    write_lines(Path("text/new.jsonl"), lines)


def asked(vocabulary: Mapping[str, Any] = ADDED, **fields: Any) -> None:
    """Write the recipe with these words on new tokens; `model` in `fields` adds to the model."""
    model = {"pretrained": "./base", "vocabulary": dict(vocabulary), **fields.pop("model", {})}
    write(Path(), {**recipe(model=model), "tokenizer": {}, **fields})


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


@pytest.mark.parametrize("stored", [False, True])
def test_a_plan_before_it_is_made_has_its_size_and_provisional_names(
    capsys: pytest.CaptureFixture[str], stored: bool
) -> None:
    words = ("--storage", "storage") if stored else ()
    code, out, err = command(capsys, "plan", "recipe.yaml", *words)
    assert code == 0, err
    said = " ".join(out.split())
    assert f"'./base' gets 30 new tokens, learned from new; planned with {ROWS} rows." in said
    assert "names of states are provisional" in said
    plan = planned(None)
    assert {t.model.config["vocab_size"] for t in plan.sweeps[0].trainings.values()} == {ROWS}
    assert not plan.is_prepared
    data = json.loads(command(capsys, "plan", "recipe.yaml", "--json")[1])
    assert data["vocabulary"] == []
    (to_make,) = data["vocabulary_to_make"]
    assert (to_make["learned"], to_make["corpora"]) == (30, ["new"])
    assert not Path("storage/starts").exists()


@pytest.mark.parametrize("initialize", ["mean", "weighted-mean"])
def test_it_is_the_model_of_the_command(initialize: str) -> None:
    asked({**ADDED, "initialize": initialize})
    storage, said = Storage("storage"), list[str]()
    resolution = made(storage, said)
    growth = Growth(("text/new.jsonl",), 30, (), initialize, 4_000_000)
    list(extend_folder("./base", Path("command"), growth))
    by_command = read_start("./command", Path.cwd())
    start = resolution.starts["./base"]
    assert start.identifier == by_command.identifier
    assert start.config["vocab_size"] == ROWS
    assert f"it has {ROWS} rows" in said[-1]
    assert starts(storage) == [start.identifier]  # the base is not kept
    tokenizer = known_tokenizer("./command")
    assert tokenizer is not None
    assert resolution.own_tokenizer is not None
    files = Path(f"storage/starts/{start.identifier}")
    assert (files / "tokenizer.json").read_text() == Path("command/tokenizer.json").read_text()
    assert not verify_storage(storage).damaged


def test_it_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage("storage")
    first = made(storage)
    monkeypatch.setattr(new_tokens, "_written", None)  # whoever makes it again fails
    assert made(storage).starts == first.starts
    shutil.move("base", "elsewhere")
    asked(model={"pretrained": "./elsewhere"})
    assert made(storage).starts["./elsewhere"].identifier == first.starts["./base"].identifier


def test_two_commands_at_once_make_one() -> None:
    storage, definitions = Storage("storage"), (define(Path("recipe.yaml")),)
    both = [resolve_inputs(definitions, storage) for _ in range(2)]
    assert all(resolution.unmade for resolution in both)
    done = [make_extensions(definitions, each, storage, (), print) for each in both]
    assert done[0].starts == done[1].starts
    assert len(starts(storage)) == 1


def test_without_its_mark_it_is_made_again() -> None:
    storage = Storage("storage")
    first = made(storage).starts["./base"].identifier
    Path(f"storage/starts/{first}/start.json").unlink()
    assert resolve_inputs((define(Path("recipe.yaml")),), storage).unmade
    assert made(storage).starts["./base"].identifier == first
    assert starts(storage) == [first]


def test_it_is_found_when_folder_and_text_are_gone(capsys: pytest.CaptureFixture[str]) -> None:
    storage = Storage("storage")
    before = prepared(storage)
    assert before.is_prepared
    (growth,) = vocabulary_growth(before, storage)
    assert isinstance(growth, ModelGrowth)
    assert (growth.learned, growth.tokens_before) == (30, VOCABULARY)
    german = next(entry for entry in growth.corpora if entry.corpus == "new")
    assert german.after is not None
    assert german.before is not None
    assert german.after < 0.8 * german.before
    for folder in ("base", "text"):
        shutil.rmtree(folder)
    assert made(storage).starts["./base"].identifier in starts(storage)
    assert names(planned(storage)) == names(before)
    out = command(capsys, "plan", "recipe.yaml", "--storage", "storage")[1]
    assert "'./base' has 30 new tokens, beside 300" in out
    assert "tokens per byte before the new tokens" in out


def test_another_text_makes_another_one_until_corpora_are_prepared() -> None:
    storage = Storage("storage")
    first = made(storage).starts["./base"].identifier
    write_german(seed=7)
    write_lines(Path("text/new.jsonl"), ["Wörter ganz anderer Art, Grüße aus Köln"] * 40 + GERMAN)
    asked({"add": 10, "from": ["new"]})
    second = made(storage).starts["./base"].identifier
    write_german(seed=0)
    third = made(storage).starts["./base"].identifier
    assert len({first, second, third}) == 3
    prepared(storage)
    write_german(seed=7)
    with pytest.raises(InputError, match="corpus"):
        prepared(storage)
    assert len(starts(storage)) == 3  # nothing was made of the text that the corpus is not from


def test_text_that_changed_without_the_model_is_refused() -> None:
    storage = Storage("storage")
    made(storage)
    shutil.rmtree("base")
    write_german(seed=7)
    assert "it is gone, and the text" in problem(storage)


def test_words_become_tokens() -> None:
    asked({"add": ["Überschrift", "<|table|>"]})
    storage = Storage("storage")
    assert "gets 2 new tokens; planned" in planned(None).resolution.unmade[0].sentence
    resolution = made(storage)
    folder = f"storage/starts/{resolution.starts['./base'].identifier}"
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.convert_ids_to_tokens([300, 301]) == ["Überschrift", "<|table|>"]
    base = known_tokenizer("./base")
    assert base is not None
    pieces = list(base.encode("Überschrift"))
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    table = model.get_input_embeddings().state_dict()["weight"]
    torch.testing.assert_close(table[300], table[pieces].mean(0), rtol=1e-6, atol=1e-7)


def test_by_default_tokens_are_learned_from_all_but_what_the_model_knows() -> None:
    asked({"add": 20})
    assert planned(None).resolution.unmade[0].tokens.corpora == ("new", "old")
    asked({"add": 20}, model={"knows": ["old"]})
    assert planned(None).resolution.unmade[0].tokens.corpora == ("new",)
    asked({"add": 20}, model={"knows": ["old", "new"]})
    assert "none is left to learn tokens from" in problem()


def test_what_cannot_be_is_refused() -> None:
    asked({"add": 20, "from": ["french"]})
    assert "model.vocabulary.from: no corpus 'french'" in problem()
    asked({"add": ["a", "b"], "from": ["new"]})
    assert "`from` is for tokens that are learned" in problem()
    for add in (0, [], ["a", "a"], [1], "many", True):
        asked({"add": add})
        assert "add" in problem() or "word" in problem()
    asked(ADDED, tokenizer="./tokenizer")
    assert "Leave `load` and `train` out" in problem()
    write(Path(), recipe(model={**recipe()["model"], "vocabulary": ADDED}))
    assert "vocabulary is about a pretrained model" in problem()
    asked({"add": ["der"]})
    made(Storage("storage"))
    asked({"add": ["<eos>"]})
    assert "it has a token '<eos>' already" in problem(Storage("storage"))
    asked({"add": 10**6})
    assert "the text gives only" in problem(Storage("storage"))
    Path("base/tokenizer.json").unlink()
    assert "no tokenizer came with it, to which model.vocabulary could add" in problem()


def test_a_sweep_has_one_vocabulary() -> None:
    asked(ADDED, sweep={"model.vocabulary.add": [10, 20]})
    assert "cannot be swept: the corpora of a storage are prepared with one tokenizer" in problem()
    model = {"pretrained": "./base"}
    both = [{**model, "vocabulary": ADDED}, model]
    write(Path(), {**recipe(model=model), "tokenizer": {}, "sweep": {"model": both}})
    assert "would have different tokenizers" in problem()
    asked({"add": 10}, sweep={"model.knows": [["old"], []]})
    assert "with `from` where `knows` differs" in problem()
    asked(ADDED, sweep={"model.knows": [["old"], []]})
    assert len(planned(None).sweeps[0].trainings) == 2


def test_several_starts_get_the_same_tokens() -> None:
    shutil.copytree("base", "second")
    model = transformers.AutoModelForCausalLM.from_pretrained("second")
    with torch.no_grad():
        model.get_input_embeddings().state_dict()["weight"].add_(0.5)
    model.save_pretrained("second")
    asked(ADDED, sweep={"model.pretrained": ["./base", "./second"]})
    storage = Storage("storage")
    resolution = made(storage)
    assert sorted(starts(storage)) == sorted(s.identifier for s in resolution.starts.values())
    assert len(starts(storage)) == 2
    plan = prepared(storage)
    assert plan.is_prepared
    assert {t.model.pretrained for t in plan.sweeps[0].trainings.values()} == set(starts(storage))


def test_baselines_merges_and_random_weights_have_the_extended_size() -> None:
    asked(ADDED, baselines=["union", "scratch", "previous"], merge={"with": "start"})
    storage = Storage("storage")
    plan = prepared(storage)
    (identifier,) = starts(storage)
    (sweep,) = plan.sweeps
    assert {t.model.config["vocab_size"] for t in sweep.trainings.values()} == {ROWS}
    began = {v.kind: sweep.trainings[v.label].model.pretrained for v in sweep.definition.variants}
    assert began == {
        "sweep": identifier,
        "union": identifier,
        "previous": identifier,
        "scratch": None,
    }
    (merge,) = sweep.merges
    assert merge.base == layout.start(identifier)
    asked(ADDED, model={"weights": "random"})
    (random,) = planned(storage).sweeps[0].trainings.values()
    assert random.model.pretrained is None
    assert random.model.config["vocab_size"] == ROWS


def test_states_are_those_of_a_recipe_from_the_extended_folder() -> None:
    storage = Storage("storage")
    own = names(prepared(storage))
    list(extend_folder("./base", Path("ext"), Growth(("text/new.jsonl",), 30, (), "mean", 10**6)))
    write(Path(), {**recipe(model={"pretrained": "./ext"}), "tokenizer": {}})
    assert names(planned(storage)) == own


def test_a_written_recipe_and_the_next_one_lead_to_the_same_states() -> None:
    asked({"add": 30})
    storage = Storage("storage")
    plan = prepared(storage)
    definition = plan.sweeps[0].definition
    data = written_recipe(definition, definition.variants[0], "cpu")
    assert data["model"]["vocabulary"] == {"add": 30, "from": ["new", "old"]}
    third = {"name": "third", "steps": 4, "schedule": "continue"}
    third = {**third, "schedule": {"kind": "cosine", "max_lr": "1e-3"}}
    new = {"corpora": {"third": {"text": "text/old.jsonl"}}, "stages": [third]}
    longer = extended(data, new, "new.yaml")
    assert longer["model"] == data["model"]
    for written in (data, longer):
        (variant,) = definition_of(written, "written").variants
        again = yaml.safe_load(yaml.safe_dump(written))
        found = plan_sweeps((definition_of(again, "written"),), storage)
        assert set(names(plan)) <= {*names(found)} or variant.recipe.name != "small"
        chain = next(iter(found.sweeps[0].trainings.values())).chain
        assert chain.name(8) == next(iter(plan.sweeps[0].trainings.values())).chain.name(8)


def test_a_stored_sweep_is_read_without_the_model() -> None:
    storage = Storage("storage")
    plan = prepared(storage)
    (sweep,) = plan.sweeps
    bind_corpora(storage, sweep.facts)
    for node in plan.tree.nodes:
        train_node(node.training, storage)
    recipes = [variant.recipe for variant in sweep.definition.variants]
    write_resolution(storage, sweep.name, plan.resolution, recipes)
    write_description(sweep.definition, storage, plan.tree)
    for folder in ("base", "text"):
        shutil.rmtree(folder)
    (chain, _), *_ = stored_chains(storage)(sweep.name).values()
    assert chain.name(8) == names(plan)[-1]
    assert stored_resolution(storage, sweep.name).starts["./base"].identifier in starts(storage)
    assert planned(storage).is_trained
