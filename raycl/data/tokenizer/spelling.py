"""The bytes of text that tokens stand for, whichever way their vocabulary spells them.

A byte-level vocabulary writes a space as Ġ, one of sentencepiece as ▁ and WordPiece as the lack of
its mark for the inside of words, so that tokens of two vocabularies are compared as bytes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from raycl.data.tokenizer.definition import Definition, model_tokens, parts

_FALLBACK = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "▁"


class Spelled(NamedTuple):
    """What a token stands for."""

    data: bytes
    """UTF-8, of which a token may begin or end within a character."""
    fallback: bool = False
    """Whether it is a byte of characters that the vocabulary lacks, such as `<0xE4>`."""


def is_byte_level(definition: Definition) -> bool:
    """Whether each letter of the vocabulary stands for a byte."""
    steps = (*parts(definition["normalizer"]), *parts(definition["pre_tokenizer"]))
    return any(step["type"] == "ByteLevel" for step in steps)


@cache
def byte_letters() -> Mapping[int, str]:
    """The letter that stands for each byte in a byte-level vocabulary (GPT-2's table)."""
    kept = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    moved = [byte for byte in range(256) if byte not in kept]
    return {byte: chr(byte) for byte in kept} | {b: chr(256 + i) for i, b in enumerate(moved)}


@cache
def _letter_bytes() -> Mapping[str, int]:
    return {letter: byte for byte, letter in byte_letters().items()}


def spelled_tokens(
    definition: Definition, control: Collection[str]
) -> Iterator[tuple[int, Spelled]]:
    """The id of each token that text can become, and what it stands for; added tokens last."""
    added = {token["content"]: int(token["id"]) for token in definition["added_tokens"]}
    byte_level = is_byte_level(definition)
    for token, number in model_tokens(definition).items():
        if token not in control and token not in added:
            yield number, _of_bytes(token) if byte_level else _of_text(token, definition["model"])
    for token, number in added.items():
        if token not in control:
            yield number, Spelled(token.encode())


def _of_bytes(token: str) -> Spelled:
    letters = _letter_bytes()
    known = all(letter in letters for letter in token)
    return Spelled(bytes(letters[letter] for letter in token) if known else token.encode())


def _of_text(token: str, model: Mapping[str, Any]) -> Spelled:
    byte = _FALLBACK.fullmatch(token) if model.get("byte_fallback") else None
    if byte is not None:
        return Spelled(bytes([int(byte[1], 16)]), fallback=True)
    text = token.replace(_SPACE, " ")
    if prefix := model.get("continuing_subword_prefix"):
        inside = text.startswith(prefix)
        text = text.removeprefix(prefix) if inside else f" {text}"
    if (suffix := model.get("end_of_word_suffix")) and text.endswith(suffix):
        text = text.removesuffix(suffix) + " "
    return Spelled(text.encode())
