"""Files beside exported weights, as other programs expect them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from raycl.models.exported import finish_config, finish_tokenizer


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
