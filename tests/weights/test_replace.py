"""A model with another tokenizer: its rows to the bit, its configurations, its own files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from raycl.cli.main import main
from raycl.data.tokenizer.definition import token_ids
from raycl.errors import InputError
from raycl.models.read import read_start
from raycl.storage import layout
from raycl.weights.replace import Replacement, replace_in_folder
from tests.helpers.tokenizers import byte_level, gemma_like, write_tokenizer
from tests.helpers.vocabulary_tables import loaded, tables, tokenizer

SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
LLAMA = {**SIZES, "model_type": "llama", "intermediate_size": 32}
MODELS: dict[str, dict[str, Any]] = {
    "tied": {**LLAMA, "tie_word_embeddings": True},
    "untied": {"model_type": "gpt_neox", **SIZES, "intermediate_size": 32},
    "gpt2": {"model_type": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2},
    "a head with bias": {"model_type": "phi", **SIZES, "intermediate_size": 32},
}
ROWS = 400
OLD = ("<|endoftext|>", "<|pad|>", "<|user|>")
NAMES = {"eos_token": "<|endoftext|>", "pad_token": "<|pad|>"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def base(config: dict[str, Any], rows: int = ROWS, **generation: Any) -> None:
    """A random model whose tokenizer has three control tokens."""
    made = transformers.AutoConfig.for_model(
        **{**config, "vocab_size": rows, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 1}
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(made)
        if model.get_output_embeddings().bias is not None:
            torch.nn.init.normal_(model.get_output_embeddings().bias)
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained("base")
    write_tokenizer(Path("base"), byte_level(OLD), tokenizer_config=NAMES)


def other(name: str = "other", special: tuple[str, ...] = ("<s>", "</s>"), **config: Any) -> str:
    """The folder of a tokenizer with further tokens, whose own are numbered otherwise."""
    named = {"eos_token": "</s>", "bos_token": "<s>", "add_bos_token": True, **config}
    made = byte_level(special, added=("the end", "Überschrift"))
    return write_tokenizer(Path(name), made, tokenizer_config=named)


def replaced(tokenizer: str = "./other", initialize: str = "mean") -> list[str]:
    return list(replace_in_folder("./base", Path("new"), Replacement(tokenizer, (), initialize, 1)))


@pytest.mark.parametrize("initialize", ["mean", "weighted-mean"])
@pytest.mark.parametrize("name", MODELS)
def test_rows_are_those_of_the_old_tokens_to_the_bit(name: str, initialize: str) -> None:
    base(MODELS[name])
    other()
    (said,) = replaced(initialize=initialize)
    old, new = tokenizer("./base"), tokenizer("./new")
    before, after = loaded("base"), loaded("new")
    ids, names = token_ids(old.definition), {n: t for t, n in token_ids(old.definition).items()}
    assert (new.vocabulary, after.config.vocab_size) == (402, 416)  # 400 is a multiple of 16
    pairs = zip(tables(before), tables(after), strict=True)
    kept = 0
    for first, second in pairs:
        assert len(second) == 416
        kept = 0
        for token, number in token_ids(new.definition).items():
            same = {"<s>": "<|endoftext|>", "</s>": "<|endoftext|>"}.get(token, token)
            if same in ids:
                kept += 1
                assert torch.equal(second[number], first[ids[same]]), token
                continue
            # A learned token that the old tokenizer lacks is one of ASCII: both are of one text.
            text = token.replace("Ġ", " ").replace("Ċ", "\n")
            pieces = old.encode(text)
            weights = [float(len(names[p])) if initialize != "mean" else 1.0 for p in pieces]
            share = torch.tensor(weights, dtype=torch.float64) / sum(weights)
            expected = torch.tensordot(share, first[pieces].double(), dims=1).float()
            torch.testing.assert_close(second[number], expected, rtol=0, atol=1e-7)
        mean = first.double().mean(0).float()
        for row in second[new.vocabulary :]:
            torch.testing.assert_close(row, mean, rtol=0, atol=1e-7)
    assert f"402 tokens in place of {old.vocabulary}; {kept} begin with the row of an old" in said
    tied = after.get_output_embeddings().weight is after.get_input_embeddings().weight
    assert tied == (before.get_output_embeddings().weight is before.get_input_embeddings().weight)


def test_old_text_has_the_logits_that_it_had() -> None:
    base(MODELS["untied"])
    other()
    replaced()
    text = "0 1 2 3 xyz"  # written with the same tokens by both, under other numbers
    both = [tokenizer(name) for name in ("./base", "./new")]
    texts = [[t.decode([n]) for n in t.encode(text)] for t in both]
    assert texts[0] == texts[1]
    found = []
    for name, own in zip(("base", "new"), both, strict=True):
        ids = own.encode(text)
        assert own.decode(ids) == text
        with torch.no_grad():
            found.append(loaded(name)(torch.tensor([ids])).logits[0, :, ids])
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-6)


def test_configurations_name_the_new_control_tokens() -> None:
    base(MODELS["tied"], eos_token_id=[0, 2], suppress_tokens=[7], forced_eos_token_id=0)
    other(special=("<s>", "</s>", "<|user|>"), pad_token="<s>")
    replaced()
    config, generation = loaded("new").config, loaded("new").generation_config
    assert [config.bos_token_id, config.eos_token_id, config.pad_token_id] == [0, 1, 0]
    assert generation.eos_token_id == [1, 2]  # `<|user|>` stopped it before, and is there still
    assert (generation.bos_token_id, generation.pad_token_id) == (0, 0)
    assert not generation.suppress_tokens
    assert generation.forced_eos_token_id is None
    assert json.loads(Path("new/config.json").read_text())["vocab_size"] == 416
    plain = transformers.AutoTokenizer.from_pretrained("new")
    assert (plain.bos_token_id, plain.eos_token_id) == (0, 1)


def test_a_role_without_a_token_is_none() -> None:
    base(MODELS["untied"])
    write_tokenizer(Path("other"), byte_level(("<|endoftext|>",)))
    replaced()
    config = loaded("new").config
    assert (config.eos_token_id, config.bos_token_id, config.pad_token_id) == (0, None, None)
    assert loaded("new").generation_config.pad_token_id is None


@pytest.mark.parametrize(("rows", "expected"), [(512, 512), (2048, 512), (402, 402), (401, 402)])
def test_sizes_keep_the_factor_that_they_had(rows: int, expected: int) -> None:
    base(MODELS["tied"], rows=rows)
    other()
    replaced()
    assert len(tables(loaded("new"))[0]) == expected


def test_the_tokenizer_is_the_new_one_and_the_old_one_is_known() -> None:
    base(MODELS["tied"])
    other()
    replaced()
    assert tokenizer("./new").fingerprint == tokenizer("./other").fingerprint
    before = Path("new") / layout.START_TOKENIZER_BEFORE
    assert before.read_text() == Path("base/tokenizer.json").read_text()
    first = read_start("new", Path.cwd()).identifier
    Path("new").rename("first")
    replaced()
    assert read_start("new", Path.cwd()).identifier == first


def test_another_kind_of_tokenizer(here: Path) -> None:
    base(MODELS["tied"])
    names = {"eos_token": "<eos>", "bos_token": "<bos>"}
    write_tokenizer(here / "other", gemma_like(), tokenizer_config=names)
    replaced()
    first, second = tables(loaded("base"))[0], tables(loaded("new"))[0]
    old, new = tokenizer("./base"), tokenizer("./new")
    ids, own = token_ids(old.definition), token_ids(new.definition)
    for token, spelled in (("▁", "Ġ"), ("t", "t"), ("<0xC3>", "Ã"), ("<eos>", OLD[0])):
        assert torch.equal(second[own[token]], first[ids[spelled]])
    pieces = old.encode("<table>")
    expected = first[pieces].double().mean(0).float()
    torch.testing.assert_close(second[own["<table>"]], expected, rtol=0, atol=1e-7)


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(["models", "extend", "./base", "--to", "new", *words])
    out = capsys.readouterr()
    return int(ended.value.code or 0), " ".join((out.out + out.err).split())


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    base(MODELS["tied"])
    other()
    Path("text.jsonl").write_text('{"text": "the end of the end"}\n')
    code, said = command(capsys, "--tokenizer", "./other", "--text", "text.jsonl")
    assert code == 0, said
    old, new = tokenizer("./base"), tokenizer("./new")
    before, after = (18 / len(t.encode("the end of the end")) for t in (old, new))
    assert f"text.jsonl: {before:.2f} bytes per token before, {after:.2f} after" in said
    assert "416 rows in its embedding" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--tokenizer", "./nowhere"], "there is no file or folder"),
        (["--tokenizer", "./base"], "the model has it already"),
        (["--tokenizer", "./other", "--tokens", "10"], "or run the command twice"),
        (["--tokenizer", "./other", "--token", "Wort"], "or run the command twice"),
        (["--tokenizer", "./other", "--initialize", "random"], "mean or weighted-mean"),
        (["--tokenizer", "./other", "--text", "nothing/*.jsonl"], "nothing/*.jsonl"),
        (["--tokenizer", "./empty"], "no tokenizer"),
        (["--tokenizer", "./endless"], "no token that ends a document is known"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    base(MODELS["tied"])
    other()
    Path("empty").mkdir()
    write_tokenizer(Path("endless"), byte_level(("<a>", "<b>")))
    code, said = command(capsys, *words)
    assert (code, says in said) == (2, True), said
    assert not [path for path in Path().iterdir() if "new" in path.name]


def test_a_model_without_a_tokenizer_is_refused() -> None:
    base(MODELS["tied"])
    other()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (Path("base") / name).unlink()
    with pytest.raises(InputError, match="no tokenizer came with it"):
        replaced()
