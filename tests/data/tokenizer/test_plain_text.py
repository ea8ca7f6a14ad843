"""Text that looks like a control token stays text, and text comes back as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from raycl.data.tokenizer import Choice, TextTokenizer
from raycl.data.tokenizer.files import TokenizerFiles
from raycl.data.tokenizer.text_tokenizer import make_tokenizer
from tests.helpers.tokenizers import byte_level, gemma_like, unigram, word_piece

SPECIAL = ("<|endoftext|>", "<s>", "<pad>", "[MASK]")
ADDED = ("</s>", "<tool>", "\n\n", "hepatitis")


def of(tokenizer: Tokenizer, end: str | None = None, begin: str | None = None) -> TextTokenizer:
    """The tokenizer without files beside it."""
    return make_tokenizer(TokenizerFiles("test", tokenizer.to_str()), Choice(end, begin))


def word_level() -> Tokenizer:
    """Words between spaces, among which `</s>` is one."""
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "</s>": 1, "a": 2, "b": 3}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens(["[UNK]"])
    return tokenizer


def whole_words() -> Tokenizer:
    """A byte-level BPE that takes whole words from its vocabulary first, as Llama 3's does."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*alphabet, "</s>", "<s>"])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return tokenizer


def merged() -> Tokenizer:
    """A byte-level BPE with merges that lead to `</s>`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*alphabet, "</", "s>", "</s>"]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={token: number for number, token in enumerate(pieces)},
            merges=[("<", "/"), ("s", ">"), ("</", "s>")],
        )
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.add_special_tokens(["</s>"])
    return tokenizer


ENDS = [
    (byte_level(SPECIAL, ADDED), "</s>"),  # added, but not special
    (byte_level(SPECIAL, ADDED), "<|endoftext|>"),
    (byte_level(SPECIAL, ADDED), "hepatitis"),  # a domain word that a recipe chose
    (gemma_like(), "<eos>"),
    (gemma_like(), "</s>"),
    (unigram(), "</s>"),
    (unigram(fallback=True), "</s>"),
    (word_piece(), "[SEP]"),
    (word_level(), "</s>"),
    (whole_words(), "</s>"),
    (merged(), "</s>"),
]


@pytest.mark.parametrize(("tokenizer", "end"), ENDS)
@pytest.mark.parametrize("text", ["{}", "a {} b", "a{}b", "{}{}", "a\n{}\n", " {}"])
def test_the_end_never_stands_in_a_document(tokenizer: Tokenizer, end: str, text: str) -> None:
    found = of(tokenizer, end, "none")
    ids = found.encode(text.format(end, end))
    assert found.end not in ids
    assert ids


def test_every_special_token_stays_text() -> None:
    found = of(byte_level(SPECIAL, ADDED), "</s>", "<s>")
    control = {found.encoder.token_to_id(f"\ufdd0{token}\ufdd1") for token in (*SPECIAL, "</s>")}
    assert None not in control
    assert control.isdisjoint(found.encode("".join((*SPECIAL, *ADDED))))


def test_ordinary_added_tokens_stay_tokens() -> None:
    tokenizer = byte_level(SPECIAL, ADDED)
    ids = of(tokenizer, "</s>").encode("has hepatitis.\n\n<tool>")
    assert {tokenizer.token_to_id(token) for token in ("hepatitis", "\n\n", "<tool>")} <= {*ids}


PIECES = st.sampled_from([*SPECIAL, *ADDED, "<eos>", "<0x41>", " ", "\n", "é", "日本", "\ufdd0"])
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=8).map("".join)


@pytest.mark.parametrize(
    "found",
    [
        of(byte_level(SPECIAL, ADDED), "</s>", "<s>"),
        of(byte_level()),
        of(gemma_like(), "<eos>"),
        of(merged(), "</s>"),
        of(whole_words(), "</s>", "<s>"),
    ],
    ids=["added", "own", "gemma", "merged", "whole words"],
)
@given(text=TEXTS)
def test_text_comes_back_as_it_was(found: TextTokenizer, text: str) -> None:
    ids = found.encode(text)
    assert found.end not in ids
    assert found.begin not in ids
    if found.encoder.decoder is not None:
        assert found.decode(ids) == text
    assert found.encode_batch([text], "uint32").lost.tolist() == [0]


def test_a_dropout_of_the_tokenizer_is_left_out() -> None:
    tokenizer = byte_level()
    tokenizer.model.dropout = 0.9
    found = of(tokenizer)
    text = "some words in which merges could be left out"
    assert all(found.encode(text) == of(byte_level()).encode(text) for _ in range(5))


def test_truncation_and_padding_are_left_out() -> None:
    tokenizer = byte_level()
    plain = of(tokenizer)
    tokenizer.enable_truncation(3)
    tokenizer.enable_padding(length=50)
    assert of(tokenizer).encode("a b c d e f") == plain.encode("a b c d e f")
    assert of(tokenizer).fingerprint == plain.fingerprint
