"""Tokenizers that are missing, damaged, empty, or do not say which token ends a document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers

from tests.helpers.workspace import add_base, recipe, with_recipe, write
from tests.malformed.case import Malformed


def _file(name: str, data: bytes | None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        if data is None:
            (folder / "tokenizer" / name).unlink()
        else:
            (folder / "tokenizer" / name).write_bytes(data)

    return change


def _json(edit: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "tokenizer/tokenizer.json"
        path.write_text(json.dumps(edit(json.loads(path.read_text()))))

    return change


def _tokenizer(tokenizer: Tokenizer) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "tokenizer/tokenizer.json").write_text(tokenizer.to_str())

    return change


def malformed_tokenizers() -> Iterator[Malformed]:
    """All of them."""
    yield from _fields()
    yield from _files()
    yield from _content()
    yield from _replacements()


def _fields() -> Iterator[Malformed]:
    values: tuple[Any, ...] = (
        "./none",
        "/no/such/folder",
        "",
        7,
        [],
        {},
        None,
        {"load": "./tokenizer", "train": {"vocabulary": 300}},
        {"load": "./text"},
        {"load": "./recipe.yaml"},
        {"lod": "./tokenizer"},
        {"train": {}},
        {"train": {"vocabulary": 100}},
        {"train": {"vocabulary": "big"}},
        {"train": {"vocabulary": 300, "sample_bytes": 0}},
        {"load": "./tokenizer", "end_of_document": "<klingon>"},
        {"load": "./tokenizer", "end_of_document": 7},
        {"load": "./tokenizer", "end_of_document": ""},
        {"load": "./tokenizer", "begin_of_document": "<klingon>"},
    )
    for value in values:
        yield Malformed(f"tokenizer: {value!r}", with_recipe(tokenizer=value), ("tokenizer",))

    def without(folder: Path) -> None:
        data = recipe()
        del data["tokenizer"]
        write(folder, data)

    yield Malformed("no tokenizer", without, ("tokenizer",))


def _replacements() -> Iterator[Malformed]:
    """What a recipe may not say of another tokenizer for its pretrained model."""
    own: dict[str, Any] = {"tokenizer": "./tokenizer"}
    values: tuple[Any, ...] = (
        {},
        {"tokenizer": None},
        {"tokenizer": ""},
        {"tokenizer": 7},
        {"tokenizer": ["./tokenizer"]},
        {"tokenizer": {"load": "./tokenizer"}},
        {"tokenizer": "./none"},
        {"tokenizer": "/no/such/folder"},
        {"tokenizer": "./text"},
        {"tokenizer": "./recipe.yaml"},
        own,  # the model has it already
        {**own, "add": 10},
        {**own, "from": ["new"]},
        {**own, "sample_bytes": 1000},
        {**own, "initialize": "random"},
    )
    for value in values:
        says = ("model.vocabulary",)
        yield Malformed(f"model.vocabulary: {value!r}", _vocabulary(value), says)
    train = {"train": {"vocabulary": 300}}
    yield Malformed("one that is trained beside", _vocabulary(own, train), ("model.vocabulary",))


def _vocabulary(value: Any, tokenizer: Any = None) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        add_base(folder)
        model = {"pretrained": "./base", "vocabulary": value}
        write(folder, {**recipe(model=model), "tokenizer": tokenizer or {}})

    return change


def _files() -> Iterator[Malformed]:
    for name, data in {
        "removed": None,
        "empty": b"",
        "cut": b'{"version": "1.0", "model": {',
        "null": b"null",
        "a list": b"[]",
        "an empty mapping": b"{}",
        "an LFS pointer": b"version https://git-lfs.github.com/spec/v1\n",
        "binary": bytes(range(256)),
        "deep": b"[" * 100_000,
        "a page of HTML": b"<!DOCTYPE html><html>404</html>",
    }.items():
        change = _file("tokenizer.json", data)
        yield Malformed(f"tokenizer.json: {name}", change, ("tokenizer",))
    for name, data in {
        "cut": b'{"eos_token": ',
        "a list": b"[]",
        "an unknown end": b'{"eos_token": "<klingon>"}',
        "an end that is a number": b'{"eos_token": 7}',
        "an unknown beginning": b'{"eos_token": "<eos>", "bos_token": "<>", "add_bos_token": true}',
        "a beginning that is not given": b'{"eos_token": "<eos>", "add_bos_token": true}',
        "a beginning that is a text": b'{"eos_token": "<eos>", "add_bos_token": "false"}',
    }.items():
        change = _file("tokenizer_config.json", data)
        yield Malformed(f"tokenizer_config.json: {name}", change, ("tokenizer",))


def _content() -> Iterator[Malformed]:
    def no_end(folder: Path) -> None:
        (folder / "tokenizer/tokenizer_config.json").write_text("{}")
        path = folder / "tokenizer/tokenizer.json"
        data = json.loads(path.read_text())
        data["added_tokens"] = []
        path.write_text(json.dumps(data))

    yield Malformed("no token that ends a document", no_end, ("end_of_document",))

    def ends_with_a_letter(folder: Path) -> None:
        (folder / "tokenizer/tokenizer_config.json").write_text('{"eos_token": "e"}')
        path = folder / "tokenizer/tokenizer.json"
        data = json.loads(path.read_text())
        letter = {**data["added_tokens"][0], "id": data["model"]["vocab"]["e"], "content": "e"}
        data["added_tokens"].append(letter)
        path.write_text(json.dumps(data))

    yield Malformed("an end that is a letter", ends_with_a_letter, ("cannot write",))
    yield Malformed("no vocabulary", _tokenizer(Tokenizer(models.BPE())), ("tokenizer",))
    two = Tokenizer(models.WordLevel({"<eos>": 0, "<unk>": 1}, unk_token="<unk>"))
    two.pre_tokenizer = pre_tokenizers.Whitespace()
    yield Malformed("a vocabulary of two", _tokenizer(two), ("tokenizer",))
    greek = {"<eos>": 0, "<unk>": 1, **{chr(0x3B1 + n): n + 2 for n in range(24)}}
    foreign = Tokenizer(models.WordPiece(greek, unk_token="<unk>"))
    foreign.pre_tokenizer = pre_tokenizers.Whitespace()
    yield Malformed("an alphabet of another language", _tokenizer(foreign), ("tokenizer",))
    yield Malformed(
        "an unknown model",
        _json(lambda data: {**data, "model": {**data["model"], "type": "Klingon"}}),
        ("tokenizer",),
    )
    yield Malformed("no model", _json(lambda data: {**data, "model": None}), ("tokenizer",))
    yield Malformed(
        "a merge of unknown tokens",
        _json(lambda data: {**data, "model": {**data["model"], "merges": [["klingon", "words"]]}}),
        ("tokenizer",),
    )
