"""Text and tokenizers that are not there are found before anything is spent on a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.cluster.options import ClusterOptions
from raycl.data.corpora import names
from raycl.data.prepare.source import DatasetChoice, TextSource
from raycl.errors import InputError
from raycl.recipe import Recipe
from raycl.recipe.definition import define
from raycl.recipe.schema.corpus import Corpus
from raycl.reproduction.experiments import load_experiments
from raycl.reproduction.run import train_experiments
from raycl.storage import Storage
from raycl.sweep.pipeline import sweep
from raycl.sweep.prepare_corpora import check_corpora, ready_text, text_source
from tests.helpers.fakes import make_corpus
from tests.helpers.megatron_files import write_megatron
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import defined
from tests.helpers.tokenizers import byte_level, prose, write_tokenizer

PAPER = ROOT / "configs" / "paper"


@pytest.fixture
def storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Storage:
    def never(*_: object) -> None:
        pytest.fail("a cluster was started")

    monkeypatch.setattr("raycl.cluster.connect.cluster", never)
    return Storage(tmp_path / "runs")


def texts(folder: Path, *present: str, **changes: Any) -> dict[str, Any]:
    """Corpora `old` and `new` with files in `folder`, of which `present` are there."""
    corpora = {name: {"text": str(folder / f"{name}.jsonl")} for name in ("old", "new")}
    for name in present:
        (folder / f"{name}.jsonl").write_text('{"text": "a"}\n')
    return {"corpora": corpora, "tokenizer": {"train": {"vocabulary": 300}}, **changes}


def test_text_that_is_not_there(storage: Storage, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"my\.yaml: corpora\.new\.text: .*no files match"):
        sweep(defined(**texts(tmp_path, "old")), storage)


def test_a_tokenizer_that_is_not_there(storage: Storage, tmp_path: Path) -> None:
    recipe = defined(**texts(tmp_path, "old", "new", tokenizer=str(tmp_path / "none")))
    with pytest.raises(InputError, match=r"tokenizer .*none.*there is no file or folder"):
        sweep(recipe, storage)


def test_what_is_prepared_needs_neither_text_nor_tokenizer(
    storage: Storage, tmp_path: Path
) -> None:
    make_corpus(storage, "old")
    make_corpus(storage, "new")
    recipe = defined(**texts(tmp_path, tokenizer=str(tmp_path / "none"))).recipe
    assert set(ready_text(recipe, storage, "my.yaml", print)) == {"old", "new"}


@pytest.mark.parametrize("path", sorted(PAPER.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_papers_recipes_say_where_text_must_be_named(path: Path, storage: Storage) -> None:
    definition = define(path)
    with pytest.raises(InputError, match=r"corpora\.\w+\.text .*YOUR-BUCKET stands for"):
        sweep(definition, storage)


def test_the_papers_recipes_at_a_small_scale_need_no_text_of_ones_own(storage: Storage) -> None:
    for path in sorted(PAPER.glob("*.yaml")):
        definition = define(path, scale="tiny")
        check_corpora(definition.recipe, storage, str(path), {})
        fetched = {corpus.fetch for corpus in definition.recipe.corpora.values()}
        assert fetched <= set(names())


def test_the_experiments_of_the_paper_without_text(storage: Storage) -> None:
    with pytest.raises(InputError, match="YOUR-BUCKET stands for"):
        train_experiments(load_experiments(PAPER, None, [1]), storage, ClusterOptions())


def test_a_model_folder_without_a_tokenizer(storage: Storage, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    recipe = defined(**texts(tmp_path, "old", "new", tokenizer=str(tmp_path / "base")))
    with pytest.raises(InputError, match=r"my\.yaml: tokenizer .*/base has no tokenizer"):
        sweep(recipe, storage)
    assert storage.list() == []


def tokens(folder: Path, tokenizer: object, **old: object) -> Recipe:
    corpora = {"old": {"tokens": str(folder / "old_document"), **old}, "new": {"fetch": "german"}}
    return defined(corpora=corpora, tokenizer=tokenizer).recipe


def test_tokens_and_the_tokenizer_that_made_them(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raycl.data.corpora.fetch", lambda *_: None)
    made_with = byte_level()
    ids = [[made_with.encode(text).ids] for text in prose()]
    write_megatron(tmp_path / "old_document", ids)
    folder = write_tokenizer(tmp_path / "t", made_with)
    trained = tokens(tmp_path, {"train": {"vocabulary": 300}})
    with pytest.raises(InputError, match=r"corpora\.old\.tokens: tokens belong to the tokenizer"):
        check_corpora(trained, storage, "my.yaml", {})
    both = tokens(tmp_path, folder, text="a.jsonl")
    with pytest.raises(InputError, match="needs one of `text`, `dataset`, `tokens`"):
        check_corpora(both, storage, "my.yaml", {})
    told: list[str] = []
    only = tokens(tmp_path, folder)
    only = only.model_copy(update={"corpora": {"old": only.corpora["old"]}})
    check_corpora(only, storage, "my.yaml", {})
    assert ready_text(only, storage, "my.yaml", told.append)["old"].format == "megatron"
    assert told == [f"corpus old: its tokens begin with {prose()[0][:100]!r}"]
    (tmp_path / "old_document.bin").write_bytes(b"\xff\xff")
    with pytest.raises(InputError, match=r"my.yaml: corpora.old.tokens: .*old_document.idx"):
        ready_text(only, storage, "my.yaml", print)


@pytest.mark.parametrize("field", ["format", "text_field", "document_separator"])
def test_fields_of_text_beside_tokens_are_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(InputError, match=f"`{field}` is for text, and this corpus is `tokens`"):
        tokens(tmp_path, "t", **{field: "text"})


def test_a_corpus_is_text_or_a_dataset(storage: Storage, tmp_path: Path) -> None:
    recipe = texts(tmp_path, "old")
    recipe["corpora"]["new"]["dataset"] = "owner/name"
    with pytest.raises(InputError, match=r"corpora\.new: needs one of `text`, `dataset`, `tokens`"):
        sweep(defined(**recipe), storage)
    recipe["corpora"]["new"] = {"dataset": str(tmp_path / "missing")}
    with pytest.raises(
        InputError, match=r"corpora\.new\.dataset: .* no dataset that `save_to_disk`"
    ):
        sweep(defined(**recipe), storage)
    recipe["corpora"]["new"] = {"text": "a.txt", "split": "train"}
    with pytest.raises(InputError, match=r"corpora\.new: `split` is a part of a `dataset`"):
        defined(**recipe)


def test_where_the_text_of_a_dataset_is() -> None:
    corpus = Corpus(dataset="owner/name", split="train", config="de", on_bad_record="skip")
    assert text_source(corpus) == TextSource(
        ("hf://datasets/owner/name",),
        on_bad_record="skip",
        dataset=DatasetChoice("train", "de"),
    )
    assert text_source(Corpus(text=("a.txt",))) == TextSource(("a.txt",))
