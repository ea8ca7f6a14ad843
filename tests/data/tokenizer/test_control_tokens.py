"""Control tokens in a text are text, and tokens where a recipe asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer

from raycl.data.tokenizer import Choice, copy_tokenizer, load_tokenizer, read_tokenizer
from raycl.data.tokenizer.store import store_tokenizer
from raycl.storage import Storage
from tests.helpers.tokenizers import byte_level, gemma_like, unigram, write_tokenizer

CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TOKENS = Choice(control_tokens="tokens")


@pytest.mark.parametrize(
    ("tokenizer", "end", "token"),
    [
        (byte_level(CHAT), "<|im_end|>", "<|im_start|>"),
        (byte_level(CHAT), "<|im_end|>", "<|im_end|>"),
        (gemma_like(), "<eos>", "<pad>"),
        (unigram(), "</s>", "</s>"),
    ],
)
def test_they_are_tokens_where_it_is_asked_for(
    tmp_path: Path, tokenizer: Tokenizer, end: str, token: str
) -> None:
    storage = Storage(tmp_path / "storage")
    folder = write_tokenizer(tmp_path / "own", tokenizer, tokenizer_config={"eos_token": end})
    plain, asked = load_tokenizer(storage, folder), load_tokenizer(storage, folder, TOKENS)
    number = tokenizer.get_vocab()[token]
    assert number not in plain.encode(f"a{token}b")
    assert asked.encode(f"a{token}b").count(number) == 1
    assert asked.decode([number]).strip() == token
    assert plain.fingerprint != asked.fingerprint
    said = load_tokenizer(storage, folder, Choice(control_tokens="text"))
    assert said.fingerprint == plain.fingerprint


def test_a_stored_and_an_exported_tokenizer_know_it(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "storage")
    config = {"eos_token": "<|im_end|>", "split_special_tokens": False}
    folder = write_tokenizer(tmp_path / "own", byte_level(CHAT), tokenizer_config=config)
    for choice in (Choice(), TOKENS):
        given = load_tokenizer(storage, folder, choice)
        fingerprint = store_tokenizer(storage, given)
        assert read_tokenizer(storage, fingerprint).policy.control_tokens == (
            choice.control_tokens or "text"
        )
        copy_tokenizer(storage, fingerprint, tmp_path / fingerprint)
        assert load_tokenizer(storage, str(tmp_path / fingerprint)).fingerprint == fingerprint
