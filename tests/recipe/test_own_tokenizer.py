"""A recipe from a pretrained model takes the model's own tokenizer, and no other one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Tokenizer, normalizers

from raycl.cli.main import main
from raycl.data.tokenizer import Choice, known_tokenizer, read_tokenizer, store_tokenizer
from raycl.data.tokenizer.differences import difference
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from raycl.errors import InputError
from raycl.models.find import find_start
from raycl.models.references import remember
from raycl.models.store import store_start
from raycl.recipe.resolution import Resolution, read_resolution
from raycl.recipe.tokenizer_facts import known_vocabulary, tokenizer_facts
from raycl.storage import Storage
from tests.helpers.checkpoints import CONFIG, write_checkpoint
from tests.helpers.recipe_data import defined, recipe_data, write_recipe
from tests.helpers.tokenizers import byte_level, gemma_like, unigram, word_piece, write_tokenizer

GEMMA = {"eos_token": "<eos>", "add_bos_token": True, "bos_token": "<bos>"}
FAMILIES: dict[str, tuple[Tokenizer, dict[str, Any]]] = {
    "gemma": (gemma_like(), GEMMA),
    "gpt-2": (byte_level(), {"eos_token": "<|endoftext|>"}),
    "qwen": (byte_level(("<|endoftext|>", "<|im_end|>")), {"eos_token": "<|im_end|>"}),
    "unigram": (unigram(), {}),
    "word piece": (word_piece(), {}),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def base(folder: Path, family: str = "gemma", seed: int = 0) -> Path:
    """A pretrained model with a tokenizer of its own."""
    tokenizer, config = FAMILIES[family]
    write_checkpoint(folder, config={**CONFIG, "vocab_size": 400 + seed})
    write_tokenizer(folder, tokenizer, tokenizer_config=config)
    return folder


def resolved(storage: Storage | None = None, **fields: Any) -> Resolution:
    """What a recipe leaves open; without `tokenizer` in `fields` the recipe has none."""
    given = {"model": {"pretrained": "./base"}, "tokenizer": {}, **fields}
    made = defined(**given)
    return read_resolution([variant.recipe for variant in made.variants], storage)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_models_own_is_the_default(here: Path, family: str) -> None:
    base(here / "base", family)
    own = resolved().own_tokenizer
    recipe = defined(model={"pretrained": "./base"}, tokenizer={}).recipe
    assert own is not None
    found = tokenizer_facts(recipe, "my.yaml", own)
    named = known_tokenizer("./base")
    assert found is not None
    assert named is not None
    assert found.fingerprint == named.fingerprint
    assert known_vocabulary(recipe, "my.yaml", own) == found.vocabulary


def test_the_same_wherever_the_model_lies(here: Path) -> None:
    base(here / "base")
    storage = Storage(here / "storage")
    start, _ = find_start("./base", here, storage)
    store_start(storage, start)
    remember(storage, start, here)
    names = ["./base", str(here / "base"), start.identifier, start.identifier[:12]]
    found = [resolved(storage, model={"pretrained": name}).own_tokenizer for name in names]
    shutil.move(here / "base", here / "moved")
    found += [
        resolved(storage).own_tokenizer,
        resolved(model={"pretrained": "moved"}).own_tokenizer,
    ]
    assert {files.definition for files in found if files} == {found[0].definition}  # type: ignore[union-attr]
    recipe = defined(model={"pretrained": "moved"}, tokenizer={}).recipe
    facts = [tokenizer_facts(recipe, "", files) for files in found]
    assert len({made.fingerprint for made in facts if made}) == 1
    assert None not in facts


def _normalised(folder: Path) -> None:
    tokenizer = gemma_like()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), tokenizer.normalizer])
    (folder / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")


def _edited(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads(gemma_like().to_str())
        change(content)
        (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")

    return edit


ANOTHER: dict[str, tuple[Callable[[Path], object], str]] = {
    "another family": (lambda folder: write_tokenizer(folder, byte_level()), "is its token"),
    "one more token": (
        _edited(lambda content: content["model"]["vocab"].update({"thee": 400})),
        "'thee' is its token 400, and no token of the model's",
    ),
    "other merges": (_edited(lambda content: content["model"]["merges"].pop()), "its merges"),
    "another normalizer": (_normalised, "its normalizer is another"),
}


@pytest.mark.parametrize("name", ANOTHER)
def test_another_tokenizer_is_refused(here: Path, name: str) -> None:
    change, words = ANOTHER[name]
    write_tokenizer(base(here / "base").parent / "other", gemma_like(), tokenizer_config=GEMMA)
    change(here / "other")
    choice = {"load": "./other", "end_of_document": None}
    if name == "another family":
        choice |= {"end_of_document": "<|endoftext|>", "begin_of_document": "none"}
    with pytest.raises(InputError, match=r"not that of the model './base'") as caught:
        resolved(tokenizer=choice)
    assert words in caught.value.problem
    assert "Leave `tokenizer` out" in caught.value.remedy


def test_the_plan_refuses_a_fresh_tokenizer_beside_a_pretrained_model(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base(here / "base")
    with pytest.raises(InputError, match=r"another tokenizer than that of the model './base'"):
        resolved(tokenizer={"train": {"vocabulary": 300}})
    fields = {"model": {"pretrained": "./base"}, "tokenizer": {"train": {"vocabulary": 300}}}
    recipe = write_recipe(here, recipe_data(**fields))
    with pytest.raises(SystemExit) as ended:
        main(["plan", str(recipe)])
    assert ended.value.code == 2
    assert "Leave `tokenizer` out" in capsys.readouterr().err


def test_another_end_or_a_copy_of_the_tokenizer_is_the_same(here: Path) -> None:
    base(here / "base")
    write_tokenizer(here / "copy", gemma_like())
    for choice in (
        {"end_of_document": "</s>", "begin_of_document": "none"},
        {"load": "./base", "control_tokens": "tokens"},
        {"load": "./copy", "end_of_document": "</s>"},
    ):
        assert resolved(tokenizer=choice).own_tokenizer is not None


def test_random_weights_may_learn_any_tokens(here: Path) -> None:
    base(here / "base")
    model = {"pretrained": "./base", "weights": "random"}
    assert resolved(model=model, tokenizer={"train": {"vocabulary": 300}}).notes == ()
    assert resolved(model=model).own_tokenizer is not None


def test_a_model_without_tokenizer(here: Path) -> None:
    write_checkpoint(here / "base")
    with pytest.raises(InputError, match=r"leaves it to the model './base', and no tokenizer came"):
        resolved()
    (note,) = resolved(tokenizer={"train": {"vocabulary": 300}}).notes
    assert "no tokenizer came with it" in note


def test_models_of_a_sweep_have_one_tokenizer(here: Path) -> None:
    for name, family in (("base", "gemma"), ("same", "gemma"), ("other", "gpt-2")):
        base(here / name, family)
    same = [{"model.pretrained": ["./base", "./same"]}]
    assert resolved(sweep=same).own_tokenizer is not None
    with pytest.raises(InputError, match=r"'./other': another tokenizer than that of './base'"):
        resolved(sweep=[{"model.pretrained": ["./base", "./other"]}])
    config = {"eos_token": "</s>", "add_bos_token": False}
    (here / "same/tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="documents end with '</s>'"):
        resolved(sweep=same)
    choice = {"end_of_document": "<eos>", "begin_of_document": "none"}
    assert resolved(sweep=same, tokenizer=choice).own_tokenizer is not None


def test_a_recipe_without_pretrained_model_names_its_tokenizer() -> None:
    with pytest.raises(InputError, match="neither `load` nor `train`"):
        defined(tokenizer={})


def test_marks_of_a_choice_are_no_difference(here: Path) -> None:
    plain = TokenizerFiles("own", gemma_like().to_str())
    storage = Storage(here / "storage")
    stored = read_tokenizer(
        storage, store_tokenizer(storage, make_tokenizer(plain, Choice("</s>")))
    )
    assert difference(plain, stored.files) == ""


def with_word(special: bool, *listed: str) -> TokenizerFiles:
    """A tokenizer with the added token `<html>`, and files beside it that list control tokens."""
    made = byte_level()
    made.add_tokens([AddedToken("<html>", special=special, normalized=False)])
    name = f"{special}-{len(listed)}"
    beside = {"eos_token": "<|endoftext|>", "additional_special_tokens": list(listed)}
    found = known_tokenizer(write_tokenizer(Path(name), made, tokenizer_config=beside))
    assert found is not None
    return found.files


def test_an_added_token_that_text_becomes_in_one_of_them_alone_is_a_difference() -> None:
    plain, special, listed = with_word(False), with_word(True), with_word(False, "<html>")
    for first, second in ((plain, special), (special, plain), (plain, listed), (listed, plain)):
        assert "'<html>', are found in text otherwise" in difference(first, second)
    assert difference(special, listed) == ""  # no text becomes the token in either
