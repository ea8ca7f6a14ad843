"""Which tokens end and begin a document is what the tokenizer's own files say, or the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, processors

from raycl.data.tokenizer import Choice, TextTokenizer, load_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.tokenizers import byte_level, gemma_like, unigram, word_piece, write_tokenizer

DEEPSEEK = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>")
CHAT = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def loaded(
    folder: Path, tokenizer: Tokenizer, choice: Choice | None = None, **beside: Any
) -> TextTokenizer:
    """The tokenizer in a folder with these files."""
    reference = write_tokenizer(folder, tokenizer, **beside)
    return load_tokenizer(Storage(folder / "storage"), reference, choice or Choice())


def added(text: str) -> dict[str, Any]:
    """A token as transformers writes it into a configuration."""
    return {"__type": "AddedToken", "content": text, "special": True}


@pytest.mark.parametrize(
    ("tokenizer", "beside", "end"),
    [
        (gemma_like(), {"tokenizer_config": {"eos_token": "<eos>"}}, "<eos>"),
        (gemma_like(), {"tokenizer_config": {"eos_token": added("</s>")}}, "</s>"),
        (gemma_like(), {"special_tokens_map": {"eos_token": added("<eos>")}}, "<eos>"),
        (gemma_like(), {"generation_config": {"eos_token_id": [1, 106]}}, "<eos>"),
        (gemma_like(), {"config": {"eos_token_id": 1}, "tokenizer_config": {}}, "<eos>"),
        (byte_level(DEEPSEEK), {"tokenizer_config": {"eos_token": DEEPSEEK[1]}}, DEEPSEEK[1]),
        (byte_level(CHAT), {"tokenizer_config": {"eos_token": "<|im_end|>"}}, "<|im_end|>"),
        (byte_level(CHAT), {"tokenizer_config": {"eos_token": "<|endoftext|>"}}, "<|endoftext|>"),
        (unigram(), {}, "</s>"),
        (word_piece(), {}, "[SEP]"),
        (byte_level(), {}, "<|endoftext|>"),
    ],
)
def test_the_end_is_what_its_files_say(
    tmp_path: Path, tokenizer: Tokenizer, beside: dict[str, Any], end: str
) -> None:
    found = loaded(tmp_path, tokenizer, **beside)
    assert found.policy.end == end
    assert found.end == tokenizer.token_to_id(end)


def with_template(tokenizer: Tokenizer, single: str, *tokens: str) -> Tokenizer:
    """The tokenizer with a template after its byte-level post-processor, as Llama 3 has it."""
    special = [(token, tokenizer.token_to_id(token)) for token in tokens]
    template = processors.TemplateProcessing(single=single, special_tokens=special)
    tokenizer.post_processor = processors.Sequence([processors.ByteLevel(), template])
    return tokenizer


@pytest.mark.parametrize(
    ("single", "config", "begin"),
    [
        ("$A", {}, None),
        ("<s> $A", {}, "<s>"),
        ("<s> $A </s>", {}, "<s>"),
        ("<s> <pad> $A", {}, None),  # of two tokens none begins a document by itself
        ("<s> $A", {"add_bos_token": False}, None),
        ("$A", {"add_bos_token": True, "bos_token": added("<s>")}, "<s>"),
        ("$A", {"add_bos_token": True, "bos_token": "</s>"}, "</s>"),
        ("$A", {"bos_token": "<s>"}, None),  # it has one, but does not say that it is written
    ],
)
def test_the_beginning_is_the_tokenizers_policy(
    tmp_path: Path, single: str, config: dict[str, Any], begin: str | None
) -> None:
    special = ("<s>", "</s>", "<pad>")
    tokenizer = with_template(byte_level(special), single, *special)
    config = {"eos_token": "</s>", **config}
    assert loaded(tmp_path, tokenizer, tokenizer_config=config).policy.begin == begin


def test_a_recipe_goes_before_the_files(tmp_path: Path) -> None:
    config = {"eos_token": "<eos>"}
    own = loaded(tmp_path, gemma_like(), tokenizer_config=config)
    assert (own.end, own.begin) == (1, 2)
    chosen = loaded(tmp_path, gemma_like(), Choice("</s>", "none"), tokenizer_config=config)
    assert (chosen.policy.end, chosen.begin) == ("</s>", None)
    other = loaded(tmp_path, gemma_like(), Choice(None, "<pad>"), tokenizer_config=config)
    assert (other.policy.end, other.policy.begin) == ("<eos>", "<pad>")
    assert len({own.fingerprint, chosen.fingerprint, other.fingerprint}) == 3


def test_equal_policies_are_one_tokenizer_whoever_says_them(tmp_path: Path) -> None:
    said = loaded(tmp_path / "a", gemma_like(), tokenizer_config={"eos_token": "<eos>"})
    chosen = loaded(tmp_path / "b", gemma_like(), Choice("<eos>", "<bos>"))
    assert said.fingerprint == chosen.fingerprint


@pytest.mark.parametrize(
    ("beside", "problem", "remedy"),
    [
        ({}, "no token that ends a document", "'<|im_end|>'"),
        ({"tokenizer_config": {"eos_token": "<end>"}}, "eos_token .* '<end>'", "end_of_document"),
        (
            {"tokenizer_config": {"eos_token": "<|im_end|>", "add_bos_token": True}},
            "no bos_token",
            "begin_of_document",
        ),
        ({"tokenizer_config": {"eos_token": "th"}}, "'th' is ordinary text", "end_of_document"),
        ({"tokenizer_config": {"eos_token": "!"}}, "'!' is ordinary text", "end_of_document"),
        ({"config": {"eos_token_id": 99_999}}, "no token that ends", "end_of_document"),
        ({"config": {"eos_token_id": "two"}}, "no token that ends", "end_of_document"),
    ],
)
def test_an_end_that_is_not_known_is_refused_with_candidates(
    tmp_path: Path, beside: dict[str, Any], problem: str, remedy: str
) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        loaded(tmp_path, byte_level(CHAT), **beside)
    assert remedy in caught.value.remedy
    assert str(tmp_path) in caught.value.where


def test_the_remedy_can_be_followed(tmp_path: Path) -> None:
    assert loaded(tmp_path, byte_level(CHAT), Choice("<|im_end|>")).end == 2


def test_an_unknown_token_ends_no_document(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stands for unknown text too"):
        loaded(tmp_path, word_piece(), Choice("[UNK]"))
