"""Files beside exported weights, as other programs expect them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from raycl.errors import InputError
from raycl.models.chat import chat_templates, stored_templates
from raycl.models.exported import finish_config, finish_tokenizer
from raycl.storage import Storage
from tests.helpers.tokenizers import byte_level, write_tokenizer


def written(folder: Path, name: str, content: dict[str, Any]) -> None:
    (folder / name).write_text(json.dumps(content))


def read(folder: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / name).read_text())
    return found


def test_a_chat_template_stands_in_both_places(tmp_path: Path) -> None:
    written(tmp_path, "tokenizer_config.json", {"chat_template": "{{ x }}", "padding_side": "left"})
    finish_tokenizer(tmp_path)
    assert (tmp_path / "chat_template.jinja").read_text() == "{{ x }}"
    (tmp_path / "chat_template.jinja").write_text("{{ y }}")
    finish_tokenizer(tmp_path)
    expected = {"chat_template": "{{ y }}", "padding_side": "left"}
    assert read(tmp_path, "tokenizer_config.json") == expected


NAMED = [{"name": "default", "template": "{{ x }}"}, {"name": "tool_use", "template": "{{ t }}"}]


def test_several_chat_templates_keep_their_names(tmp_path: Path) -> None:
    written(tmp_path, "tokenizer_config.json", {"chat_template": NAMED})
    finish_tokenizer(tmp_path)
    assert read(tmp_path, "tokenizer_config.json") == {"chat_template": NAMED}
    assert not (tmp_path / "chat_template.jinja").exists()  # it would hide the other one
    (tmp_path / "chat_template.jinja").write_text("{{ y }}")  # before the default of the list
    finish_tokenizer(tmp_path)
    newer = [{"name": "default", "template": "{{ y }}"}, NAMED[1]]
    assert read(tmp_path, "tokenizer_config.json") == {"chat_template": newer}
    assert not (tmp_path / "chat_template.jinja").exists()


def test_templates_of_another_model_stand_in_for_all_of_its_own(tmp_path: Path) -> None:
    written(tmp_path, "tokenizer_config.json", {"chat_template": NAMED})
    finish_tokenizer(tmp_path, {"default": "{{ z }}"})
    assert read(tmp_path, "tokenizer_config.json") == {"chat_template": "{{ z }}"}
    assert (tmp_path / "chat_template.jinja").read_text() == "{{ z }}"
    finish_tokenizer(tmp_path, {one["name"]: one["template"] for one in NAMED})
    assert read(tmp_path, "tokenizer_config.json") == {"chat_template": NAMED}
    assert not (tmp_path / "chat_template.jinja").exists()


def test_a_storage_and_a_folder_are_read_alike(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    folder = tmp_path / "starts/a"
    folder.mkdir(parents=True)
    assert stored_templates(storage, "a") == {}
    written(folder, "tokenizer_config.json", {"chat_template": NAMED})
    assert stored_templates(storage, "a") == {"default": "{{ x }}", "tool_use": "{{ t }}"}
    (folder / "chat_template.jinja").write_text("{{ y }}")
    assert stored_templates(storage, "a") == {"default": "{{ y }}", "tool_use": "{{ t }}"}


@pytest.mark.parametrize("field", [["x"], [{"name": "default"}], 7, [{"name": 1, "template": "x"}]])
def test_what_is_no_template_is_refused(field: Any) -> None:
    with pytest.raises(InputError, match="its chat template is no"):
        chat_templates(None, {"chat_template": field}, "the file")


def test_transformers_finds_all_names(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, byte_level(), tokenizer_config={"chat_template": NAMED})
    (tmp_path / "chat_template.jinja").write_text("{{ y }}")
    finish_tokenizer(tmp_path)
    loaded = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
    assert loaded.chat_template == {"default": "{{ y }}", "tool_use": "{{ t }}"}


def test_places_of_another_machine_are_left_out(tmp_path: Path) -> None:
    places = {"name_or_path": "/home/alice/model", "tokenizer_file": "/home/alice/t.json"}
    written(tmp_path, "tokenizer_config.json", {**places, "model_max_length": 512})
    finish_tokenizer(tmp_path)
    assert read(tmp_path, "tokenizer_config.json") == {"model_max_length": 512}
    written(tmp_path, "config.json", {"_name_or_path": "/home/alice/model"})
    finish_config(tmp_path, "bfloat16", None)
    assert read(tmp_path, "config.json") == {"dtype": "bfloat16", "torch_dtype": "bfloat16"}


def test_nested_types_and_tokens_of_a_random_start(tmp_path: Path) -> None:
    written(tmp_path, "config.json", {"text_config": {"dtype": "float32"}, "eos_token_id": 2})
    written(tmp_path, "generation_config.json", {"eos_token_id": 2, "bos_token_id": 1})
    finish_config(tmp_path, "float16", {"eos_token_id": 63, "bos_token_id": None})
    config = read(tmp_path, "config.json")
    assert config["text_config"] == {"dtype": "float16"}
    assert (config["eos_token_id"], config["bos_token_id"]) == (63, None)
    assert read(tmp_path, "generation_config.json") == {"eos_token_id": 63}
