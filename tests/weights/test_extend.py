"""A model with further tokens: its rows, its tokenizer, and that old text means what it meant."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from raycl.data.tokenizer.definition import token_ids
from raycl.data.tokenizer.extension import bytes_per_token
from raycl.errors import InputError
from raycl.models.read import read_start
from raycl.recipe.resolution import read_resolution
from raycl.weights.extend import Growth, extend_folder
from tests.helpers.recipe_data import defined
from tests.helpers.tokenizers import byte_level, gemma_like, unigram, write_tokenizer
from tests.helpers.vocabulary_tables import loaded, tables, tokenizer

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
LLAMA = {**SIZES, "model_type": "llama", "intermediate_size": 32}
MODELS: dict[str, dict[str, Any]] = {
    "tied": {**LLAMA, "tie_word_embeddings": True},
    "untied": {**LLAMA, "tie_word_embeddings": False},
    "gpt2": {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2},
    "a head with bias": {"model_type": "phi", **SIZES, "intermediate_size": 32},
}
GERMAN = ["der Hund und die Katze und der Vogel", "die Katze schläft, und der Hund bellt"] * 5
CHAT = {"eos_token": "<|endoftext|>"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    lines = "".join(json.dumps({"text": text}) + "\n" for text in GERMAN)
    (tmp_path / "german.jsonl").write_text(lines, "utf-8")
    return tmp_path


def base(
    folder: Path, config: dict[str, Any], rows: int = 400, tokenizer: Tokenizer | None = None
) -> Path:
    """A random model with a tokenizer of its own."""
    own = {"eos_token": "<eos>"} if tokenizer is not None else CHAT
    made = transformers.AutoConfig.for_model(
        **{**config, "vocab_size": rows, "bos_token_id": 0, "eos_token_id": 0}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        transformers.AutoModelForCausalLM.from_config(made).save_pretrained(folder)
    write_tokenizer(folder, tokenizer or byte_level(), tokenizer_config=own)
    return folder


def extended(learned: int = 20, named: tuple[str, ...] = (), initialize: str = "mean") -> list[str]:
    growth = Growth(("german.jsonl",), learned, named, initialize, 10_000)
    return list(extend_folder("./base", Path("new"), growth))


@pytest.mark.parametrize("initialize", ["mean", "weighted-mean"])
@pytest.mark.parametrize("name", MODELS)
def test_rows_are_the_mean_of_their_pieces_to_the_bit(
    here: Path, name: str, initialize: str
) -> None:
    base(here / "base", MODELS[name])
    extended(named=("Katze!",), initialize=initialize)
    old, new = tokenizer("./base"), tokenizer("./new")
    before, after = loaded("base"), loaded("new")
    assert (new.vocabulary, after.config.vocab_size) == (421, 432)  # 400 is a multiple of 16
    for first, second in zip(tables(before), tables(after), strict=True):
        assert torch.equal(first, second[:400])
        for token, number in token_ids(new.definition).items():
            if number < 400:
                continue
            named = token == "Katze!"
            # A learned token may end within a character, so that it is no text by itself.
            pieces = (
                old.encode(token) if named else [t.id for t in old.encoder.model.tokenize(token)]
            )
            names = {n: t for t, n in token_ids(old.definition).items()}
            weighted = initialize == "weighted-mean"
            share = torch.tensor([float(len(names[p])) if weighted else 1.0 for p in pieces])
            share = (share / share.sum()).double()
            expected = torch.tensordot(share, first[pieces].double(), dims=1).float()
            torch.testing.assert_close(second[number], expected, rtol=0, atol=1e-7)
    tied = after.get_output_embeddings().weight is after.get_input_embeddings().weight
    assert tied == (before.get_output_embeddings().weight is before.get_input_embeddings().weight)


@pytest.mark.parametrize("name", MODELS)
def test_old_text_has_the_logits_that_it_had(here: Path, name: str) -> None:
    base(here / "base", MODELS[name])
    extended()
    ids = tokenizer("./base").encode("0123 XYZ?")
    assert tokenizer("./new").encode("0123 XYZ?") == ids
    with torch.no_grad():
        before, after = (loaded(name)(torch.tensor([ids])).logits for name in ("base", "new"))
    torch.testing.assert_close(after[..., :400], before, rtol=0, atol=1e-6)


@pytest.mark.parametrize("own", [None, gemma_like()])
def test_every_new_token_is_written_and_text_comes_back(here: Path, own: Tokenizer | None) -> None:
    base(here / "base", MODELS["tied"], tokenizer=own)
    told = extended(named=("<table2>",))
    old, new = tokenizer("./base"), tokenizer("./new")
    assert {t: n for t, n in token_ids(new.definition).items() if n < old.vocabulary} == token_ids(
        old.definition
    )
    written = {number for text in (*GERMAN, "<table2>") for number in new.encode(text)}
    learned = range(old.vocabulary, new.vocabulary)
    assert len(learned) == 21
    # A merge on the way to a longer token may be in no word any more, as in any BPE.
    assert len(written & set(learned)) > 5
    assert [new.decode(new.encode(text)) for text in GERMAN] == GERMAN
    before, after = bytes_per_token(old, GERMAN), bytes_per_token(new, GERMAN)
    assert after > 1.5 * before
    assert f"{before:.2f} bytes per token before, {after:.2f} after" in told[1]


def test_unused_rows_are_taken_first_and_the_result_is_always_the_same(here: Path) -> None:
    base(here / "base", MODELS["untied"], rows=448)
    extended()
    first = read_start("new", here)
    assert first.config["vocab_size"] == 448
    (here / "new").rename(here / "first")
    extended()
    assert read_start("new", here).identifier == first.identifier
    assert tokenizer("./new").fingerprint == tokenizer("./first").fingerprint


def test_everybody_may_read_it(here: Path) -> None:
    base(Path("base"), MODELS["tied"])
    extended()
    assert {path.name for path in here.glob("new/*") if not path.stat().st_mode & 0o004} == set()


def test_a_recipe_continues_from_it_with_its_tokenizer(here: Path) -> None:
    base(here / "base", MODELS["tied"])
    extended()
    recipe = defined(model={"pretrained": "./new"}, tokenizer={}).recipe
    assert read_resolution([recipe], None).own_tokenizer is not None
    mixed = defined(model={"pretrained": "./base"}, tokenizer="./new").recipe
    with pytest.raises(InputError, match="no token of the model's"):
        read_resolution([mixed], None)


_KILLED = """
import os, signal
from pathlib import Path
from raycl.weights import extend

def kill(made, target):
    assert (target / "model.safetensors").exists()
    os.kill(os.getpid(), signal.SIGKILL)

extend._write_tokenizer = kill
list(extend.extend_folder("base", Path("new"), extend.Growth((), 0, ("Katze",), "mean", 1)))
"""


def test_what_a_kill_leaves_is_replaced(here: Path) -> None:
    base(here / "base", MODELS["tied"])
    before = {path.name for path in here.iterdir()} | {"cache"}  # of hashes, begun as it is read
    killed = subprocess.run([sys.executable, "-c", _KILLED], check=False, cwd=here)
    assert killed.returncode == -signal.SIGKILL
    assert {path.name for path in here.iterdir()} - before == {"new.partial"}
    said = extended(0, ("Katze",))
    assert said[0].endswith("new.partial was left by a command that did not end; it is replaced")
    assert "1 new tokens" in said[1]
    assert {path.name for path in here.iterdir()} - before == {"new"}
    assert not [path.name for path in (here / "new").iterdir() if path.name.startswith(".")]
    assert (here / "new/model.safetensors").stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_extended_is_refused_and_nothing_is_left(here: Path) -> None:
    base(here / "base", MODELS["tied"], tokenizer=unigram())
    write_tokenizer(here / "base", unigram(), tokenizer_config={})
    with pytest.raises(InputError, match="a Unigram model, and only a BPE learns"):
        extended()
    assert "1 new tokens" in extended(0, ("Katze",))[0]
    with pytest.raises(InputError, match="it is not empty"):
        extended(0, ("Hund",))
    (here / "new").rename(here / "other")
    base(here / "base", MODELS["tied"])
    with pytest.raises(InputError, match="the text gives only"):
        extended(5_000)
    with pytest.raises(InputError, match="it has a token 'e' already"):
        extended(0, ("e",))
    assert not [path for path in here.iterdir() if "new" in path.name]


@pytest.mark.parametrize(
    ("token", "says"),
    [("", "with no token"), ("\udcff", "not UTF-8"), ("##", "with no token")],
)
def test_a_named_token_that_no_text_holds_is_refused(here: Path, token: str, says: str) -> None:
    own = byte_level()
    own.normalizer = normalizers.Replace("#", "")
    base(here / "base", MODELS["tied"], tokenizer=own)
    write_tokenizer(here / "base", own, tokenizer_config=CHAT)
    with pytest.raises(InputError, match=says):
        extended(0, (token,))
    assert not [path for path in here.iterdir() if "new" in path.name]


def words_apart(**settings: Any) -> Tokenizer:
    """A BPE without bytes, which cuts words at spaces alone and has a token for the unknown."""
    made = Tokenizer(models.BPE(unk_token="<unk>", **settings))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=120, special_tokens=["<eos>", "<unk>"], show_progress=False
    )
    made.train_from_iterator(["der hund und die katze xyz < > o s b l t v"] * 5, trainer)
    return made


@pytest.mark.parametrize("settings", [{}, {"fuse_unk": True}, {"ignore_merges": True}])
def test_unknown_text_and_control_tokens_join_no_new_token(
    here: Path, settings: dict[str, Any]
) -> None:
    """Text that is unknown, or spelled like a control token, is written as it was before."""
    base(here / "base", MODELS["tied"], tokenizer=words_apart(**settings))
    lines = [{"text": "漢a漢 <eos> xyzz zyx"}] * 30
    (here / "german.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    extended(6)
    old, new = tokenizer("./base"), tokenizer("./new")
    learned = [t for t, n in token_ids(new.definition).items() if n >= old.vocabulary]
    assert len(learned) == 6
    assert not any("unk" in token or token in ("<eos>", "▁<eos>a") for token in learned)
    assert token_ids(old.definition).items() <= token_ids(new.definition).items()
    for text in ("漢a漢", "漢 字", "<unk>"):
        assert new.encode(text) == old.encode(text)
    assert old.end not in new.encode("<eos> <eos>")
