"""What is no tokenizer is refused with the folder or file, and something that can be done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raycl.data.tokenizer import load_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.tokenizers import byte_level, write_tokenizer


def refused(tmp_path: Path, reference: Path) -> InputError:
    """The error about a reference."""
    with pytest.raises(InputError) as caught:
        load_tokenizer(Storage(tmp_path / "storage"), str(reference))
    assert str(reference) in str(caught.value)
    assert caught.value.remedy
    return caught.value


def test_a_model_folder_without_tokenizer(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama", "vocab_size": 32000}')
    (folder / "model.safetensors").write_bytes(b"")
    error = refused(tmp_path, folder)
    assert "there is no tokenizer.json in it (config.json, model.safetensors)" in error.problem


def test_an_empty_folder_and_a_configuration_alone(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "it is empty" in refused(tmp_path, tmp_path / "empty").problem
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    assert "no tokenizer.json" in refused(tmp_path, tmp_path / "alone").problem


def test_a_sentencepiece_model_that_cannot_be_converted(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "tokenizer.model").write_bytes(b"not one")
    error = refused(tmp_path, tmp_path / "old")
    assert "none can be made of its older files" in error.problem
    assert "save_pretrained" in error.remedy


def definition(**changes: Any) -> dict[str, Any]:
    """A tokenizer.json with changes."""
    content: dict[str, Any] = json.loads(byte_level().to_str())
    return {**content, **changes}


TOKEN = {"special": True, "single_word": False, "lstrip": False, "rstrip": False}
NO_WORDS = {"type": "BPE", "vocab": {}, "merges": []}
SPECIAL_ALONE = [
    {"id": number, "content": text, "normalized": False, **TOKEN}
    for number, text in enumerate(("<unk>", "</s>"))
]
UNIGRAM = {"type": "Unigram", "unk_id": None, "vocab": [["a", -1.0]], "byte_fallback": False}
MALFORMED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "not a tokenizer.json"),
    "zeros": (bytes(64), "not a tokenizer.json"),
    "object": (b"{}", "not a tokenizer.json"),
    "list": (b"[]", "not a tokenizer.json"),
    "null": (b"null", "not a tokenizer.json"),
    "number": (b"3", "not a tokenizer.json"),
    "text": (b"hello", "not a tokenizer.json"),
    "deep": (b"[" * 100_000, "not a tokenizer.json"),
    "deep objects": (b'{"a":' * 100_000, "not a tokenizer.json"),
    "utf-16": ("{}".encode("utf-16"), "not a tokenizer.json"),
    "half": (byte_level().to_str().encode()[:5000], "not a tokenizer.json"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
    "config": (b'{"model_type": "llama"}', "not a tokenizer.json"),
    "html": (b"<!doctype html><html>Not found</html>", "not a tokenizer.json"),
    "no words": (json.dumps(definition(model=NO_WORDS, added_tokens=[])).encode(), "it is empty"),
    "twice": (
        json.dumps(
            definition(model={"type": "BPE", "vocab": {"a": 1, "b": 1}, "merges": []})
        ).encode(),
        "have the same id",
    ),
    "no unknown": (json.dumps(definition(model=UNIGRAM)).encode(), "no token for unknown text"),
    "no unknown word": (
        json.dumps(
            definition(model={"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "x"})
        ).encode(),
        "no token for unknown text",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_file_that_is_no_tokenizer(tmp_path: Path, name: str) -> None:
    data, problem = MALFORMED[name]
    file = tmp_path / "given.json"
    file.write_bytes(data)
    error = refused(tmp_path, file)
    assert problem in error.problem


@pytest.mark.parametrize("name", ["tokenizer_config", "special_tokens_map", "generation_config"])
@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000, b"null"])
def test_files_beside_it_that_are_damaged(tmp_path: Path, name: str, data: bytes) -> None:
    folder = Path(write_tokenizer(tmp_path / "given", byte_level(("</s>", "<|endoftext|>"))))
    (folder / f"{name}.json").write_bytes(data)
    assert name in refused(tmp_path, folder).where


def test_an_empty_tokenizer_with_special_tokens_alone(tmp_path: Path) -> None:
    content = definition(model=NO_WORDS, added_tokens=SPECIAL_ALONE)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "tokenizer.json").write_text(json.dumps(content))
    (tmp_path / "two" / "tokenizer_config.json").write_text('{"eos_token": "</s>"}')
    assert "it has no token for text" in refused(tmp_path, tmp_path / "two").problem


@pytest.mark.parametrize("path", ["./none", "/none/x.json", "~/none-of-this", "a/b/c", "../none"])
def test_a_path_that_is_not_there(tmp_path: Path, path: str) -> None:
    with pytest.raises(InputError, match="there is no file or folder"):
        load_tokenizer(Storage(tmp_path / "storage"), path)
