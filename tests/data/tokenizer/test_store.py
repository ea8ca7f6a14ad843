"""A stored tokenizer is complete, and those of older storages are read as they were meant."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from raycl.data.tokenizer import Choice, copy_tokenizer, load_tokenizer, read_tokenizer
from raycl.data.tokenizer.store import store_tokenizer
from raycl.errors import InputError
from raycl.storage import Storage
from tests.helpers.tokenizers import byte_level, gemma_like, unigram, word_piece, write_tokenizer

CONFIG = {"eos_token": "<eos>", "chat_template": "{{ x }}", "model_max_length": 7}


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "storage")


def old_fingerprint(tokenizer: Tokenizer) -> str:
    """The fingerprint that a tokenizer had when its content was all that counted."""
    canonical = json.dumps(json.loads(tokenizer.to_str()), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize("tokenizer", [byte_level(), gemma_like(), unigram(), word_piece()])
def test_it_is_read_as_it_was_stored(
    tmp_path: Path, storage: Storage, tokenizer: Tokenizer
) -> None:
    choice = Choice("<eos>") if tokenizer.token_to_id("<eos>") else Choice()
    given = load_tokenizer(storage, write_tokenizer(tmp_path / "given", tokenizer), choice)
    fingerprint = store_tokenizer(storage, given)
    found = read_tokenizer(storage, fingerprint)
    assert found.fingerprint == fingerprint == given.fingerprint
    assert (found.end, found.begin, found.vocabulary) == (given.end, given.begin, given.vocabulary)
    assert load_tokenizer(storage, f"tokenizers/{fingerprint}").fingerprint == fingerprint


def test_what_was_given_beside_it_is_kept(tmp_path: Path, storage: Storage) -> None:
    folder = write_tokenizer(
        tmp_path / "given",
        gemma_like(),
        tokenizer_config=CONFIG,
        special_tokens_map={"eos_token": "<eos>", "pad_token": "<pad>"},
    )
    (Path(folder) / "chat_template.jinja").write_text("{{ y }}")
    fingerprint = store_tokenizer(storage, load_tokenizer(storage, folder, Choice("</s>")))
    copy_tokenizer(storage, fingerprint, tmp_path / "copy")
    config = json.loads((tmp_path / "copy" / "tokenizer_config.json").read_text())
    assert config | {"eos_token": "</s>", "bos_token": "<bos>", "add_bos_token": True} == config
    assert (config["chat_template"], config["model_max_length"]) == ("{{ x }}", 7)
    special = json.loads((tmp_path / "copy" / "special_tokens_map.json").read_text())
    assert special == {"eos_token": "</s>", "bos_token": "<bos>", "pad_token": "<pad>"}
    assert (tmp_path / "copy" / "chat_template.jinja").read_text() == "{{ y }}"
    again = load_tokenizer(storage, str(tmp_path / "copy"))
    assert again.fingerprint == fingerprint


def test_transformers_loads_a_copy(tmp_path: Path, storage: Storage) -> None:
    from transformers import AutoTokenizer

    folder = write_tokenizer(tmp_path / "given", gemma_like(), tokenizer_config=CONFIG)
    fingerprint = store_tokenizer(storage, load_tokenizer(storage, folder))
    copy_tokenizer(storage, fingerprint, tmp_path / "copy")
    found = AutoTokenizer.from_pretrained(str(tmp_path / "copy"))
    assert (found.eos_token_id, found.bos_token_id, len(found)) == (1, 2, 299)
    assert found("the")["input_ids"][0] == 2


@pytest.mark.parametrize("end", ["<|endoftext|>", "</s>", "[EOS]"])
def test_a_tokenizer_of_an_older_storage(tmp_path: Path, storage: Storage, end: str) -> None:
    tokenizer = byte_level((end, "<other>"))
    old = old_fingerprint(tokenizer)
    storage.write_bytes(f"tokenizers/{old}/tokenizer.json", tokenizer.to_str(True).encode())
    found = read_tokenizer(storage, old)
    assert (found.policy.end, found.begin) == (end, None)
    # The same tokenizer, given today with its own word for it, is the same one.
    given = write_tokenizer(tmp_path / "given", tokenizer, tokenizer_config={"eos_token": end})
    assert store_tokenizer(storage, load_tokenizer(storage, given)) == old
    assert read_tokenizer(storage, old).fingerprint == old
    copy_tokenizer(storage, old, tmp_path / "copy")
    assert (tmp_path / "copy" / "tokenizer_config.json").exists()


def test_one_that_raycl_trains_keeps_its_fingerprint(tmp_path: Path, storage: Storage) -> None:
    folder = write_tokenizer(tmp_path / "own", byte_level())
    assert load_tokenizer(storage, folder).fingerprint == old_fingerprint(byte_level())


def test_any_change_is_another_tokenizer(tmp_path: Path, storage: Storage) -> None:
    content = json.loads(gemma_like().to_str())
    vocabulary = content["model"]["vocab"]
    swapped = {**vocabulary, "a": vocabulary["b"], "b": vocabulary["a"]}
    changed = {**content, "model": {**content["model"], "vocab": swapped}}
    configs = [{}, {"add_bos_token": False}, {"eos_token": "</s>"}, {"pad_token": "<h1>"}]
    given = [(content, config) for config in configs] + [(changed, {})]
    found = set()
    for number, (definition, config) in enumerate(given):
        folder = tmp_path / str(number)
        write_tokenizer(folder, gemma_like(), tokenizer_config={**CONFIG, **config})
        (folder / "tokenizer.json").write_text(json.dumps(definition))
        found.add(load_tokenizer(storage, str(folder)).fingerprint)
    assert len(found) == len(given)


def test_layout_and_what_changes_no_token_are_no_change(tmp_path: Path, storage: Storage) -> None:
    one = write_tokenizer(tmp_path / "one", gemma_like(), tokenizer_config=CONFIG)
    two = write_tokenizer(tmp_path / "two", gemma_like(), tokenizer_config={"eos_token": "<eos>"})
    content = json.loads((tmp_path / "two" / "tokenizer.json").read_text())
    (tmp_path / "two" / "tokenizer.json").write_text(json.dumps(content, indent=3))
    assert load_tokenizer(storage, one).fingerprint == load_tokenizer(storage, two).fingerprint


def test_a_stored_tokenizer_that_was_changed_is_refused(tmp_path: Path, storage: Storage) -> None:
    folder = write_tokenizer(tmp_path / "given", gemma_like(), tokenizer_config=CONFIG)
    fingerprint = store_tokenizer(storage, load_tokenizer(storage, folder))
    path = f"tokenizers/{fingerprint}/tokenizer_config.json"
    storage.write_json(path, {**storage.read_json(path), "eos_token": "</s>"})
    with pytest.raises(InputError, match="not what its fingerprint names"):
        read_tokenizer(storage, fingerprint)
    storage.remove(f"tokenizers/{fingerprint}/tokenizer.json")
    with pytest.raises(InputError, match="not in storage"):
        read_tokenizer(storage, fingerprint)
