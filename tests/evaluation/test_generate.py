"""`raycl generate`: what a state adds to a text is what transformers adds to the same ids."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from raycl.cli.main import main
from raycl.data.manifest import load_manifest
from raycl.data.tokenizer import TextTokenizer, read_tokenizer
from raycl.errors import InputError
from raycl.evaluation.generate import Sampling, continuations
from raycl.states.mark import read_mark, write_mark
from raycl.storage import Storage
from raycl.train.checkpoint.export import export_hugging_face
from tests.helpers.held_out_text import prepare_text, train_a_little

PROMPT = "The import statement"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Storage, str]:
    storage = prepare_text(tmp_path_factory.mktemp("text"))
    return storage, train_a_little(storage)


@pytest.fixture
def tokenizer(trained: tuple[Storage, str]) -> TextTokenizer:
    storage, _ = trained
    return read_tokenizer(storage, load_manifest(storage, "corpora/prose").tokenizer)


def added(trained: tuple[Storage, str], *prompts: str, **settings: Any) -> list[str]:
    return list(continuations(*trained, prompts, Sampling(**settings)))


def test_the_likeliest_tokens_are_those_of_the_exported_model(
    trained: tuple[Storage, str], tokenizer: TextTokenizer, tmp_path: Path
) -> None:
    export_hugging_face(*trained, tmp_path / "out")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    ids = [tokenizer.prefix, *tokenizer.encode(PROMPT)]
    for _ in range(12):  # without a cache, token by token
        ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    expected = tokenizer.decode(ids[1:]).removeprefix(PROMPT)
    assert added(trained, PROMPT, tokens=12) == [expected]
    assert added(trained, PROMPT, tokens=12) == [expected]
    assert added(trained, "for", PROMPT, tokens=12)[1] == expected


def test_drawn_tokens_follow_their_seed(trained: tuple[Storage, str]) -> None:
    state = torch.random.get_rng_state()
    first = added(trained, PROMPT, temperature=1.0, seed=1)
    assert added(trained, PROMPT, temperature=1.0, seed=1) == first
    assert added(trained, PROMPT, temperature=1.0, seed=2) != first
    assert added(trained, PROMPT, temperature=1e-4) == added(trained, PROMPT)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_it_ends_where_the_model_ends_a_document(
    trained: tuple[Storage, str], tokenizer: TextTokenizer
) -> None:
    """At the tokenizer's end, and at those of the model that the training began from."""
    storage, name = trained
    whole = tokenizer.encode(added(trained, PROMPT, tokens=6)[0])
    assert len(set(whole)) > 1
    place = next(n for n, token in enumerate(whole) if token != whole[0])
    mark = read_mark(storage, name)
    began = replace(mark.model, pretrained="a" * 64)
    write_mark(storage, name, mark.model_copy(update={"model": began}))
    try:
        storage.write_bytes(f"starts/{'a' * 64}/start.json", b"{}")
        ends = {"eos_token_id": [whole[place], tokenizer.end]}
        storage.write_bytes(f"starts/{'a' * 64}/generation_config.json", json.dumps(ends).encode())
        assert added(trained, PROMPT, tokens=6) == [tokenizer.decode(whole[:place])]
    finally:
        write_mark(storage, name, mark)


def test_control_tokens_in_a_prompt_are_plain_text(trained: tuple[Storage, str]) -> None:
    assert added(trained, "<|endoftext|>", tokens=4) != added(trained, "", tokens=4)


def test_a_prompt_has_to_fit_the_positions(trained: tuple[Storage, str]) -> None:
    with pytest.raises(InputError, match=r"prompt 2: .*more than the model's 128 positions"):
        added(trained, "a", "a b c d e " * 40, tokens=8)
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="finds no GPU"):
            list(continuations(*trained, ["a"], Sampling(), gpu=True))


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["generate", *words])
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


def test_the_command_prints_prompts_with_what_is_added(
    trained: tuple[Storage, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    storage, name = trained
    first, second = added(trained, PROMPT, "for", tokens=5)
    expected = f"{PROMPT}{first}\n\nfor{second}\n\n"
    words = (name[:14], "--storage", storage.url, "--tokens", "5")
    assert printed(capsys, *words, PROMPT, "for") == (0, expected, "")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PROMPT}\nfor\n"))
    assert printed(capsys, *words) == (0, expected, "")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    code, _, error = printed(capsys, *words)
    assert (code, "there is none" in error) == (2, True)
    code, _, error = printed(capsys, "nothing", "a", "--storage", storage.url)
    assert (code, "nothing" in error) == (2, True)


def test_bytes_that_are_no_text_are_refused(trained: tuple[Storage, str]) -> None:
    with pytest.raises(InputError, match="prompt 2: not UTF-8 text"):
        added(trained, PROMPT, "\udcff")


@pytest.mark.parametrize("given", [None, "closed", b"\xff\n", b""])
def test_an_input_without_texts(
    trained: tuple[Storage, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: bytes | str | None,
) -> None:
    content = given if isinstance(given, bytes) else b""
    stream = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8")
    if given == "closed":
        stream.close()
    monkeypatch.setattr("sys.stdin", None if given is None else stream)
    storage, state = trained
    with pytest.raises(SystemExit) as ended:
        main(["generate", "--storage", storage.url, state])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert ("the input: not UTF-8" if given == b"\xff\n" else "PROMPT: there is none") in said


@pytest.mark.parametrize("temperature", ["1e-300", "inf"])
def test_a_temperature_without_a_distribution_is_refused(
    trained: tuple[Storage, str], capsys: pytest.CaptureFixture[str], temperature: str
) -> None:
    storage, state = trained
    with pytest.raises(SystemExit) as ended:
        main(["generate", "--storage", storage.url, state, "a", "--temperature", temperature])
    assert ended.value.code == 2
    assert "Give 0, or 0.001 or more" in capsys.readouterr().err
