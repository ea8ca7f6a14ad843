"""Every code block of the documents is checked or run, or says why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from raycl.recipe.load import parse_recipe
from raycl.recipe.yaml import parse_document
from tests.helpers.code_blocks import CodeBlock, all_blocks, command_lines
from tests.helpers.command_lines import parse

BLOCKS = all_blocks()
LANGUAGES = {"bash", "yaml", "python", "diff", "text", "json"}
CHECKED = [block for block in BLOCKS if not block.is_left_out and not block.file]
TARGETS = {"raycl", "make", "cd", "export", "source"}
"""Commands that a page may show without a word: raycl's are checked, the others change nothing."""


def of(language: str) -> list[Any]:
    return [pytest.param(block, id=block.place) for block in CHECKED if block.language == language]


def test_every_block_names_its_language() -> None:
    assert [block.place for block in BLOCKS if block.language not in LANGUAGES] == []


def test_every_file_belongs_to_a_page_that_is_run() -> None:
    run = {block.document for block in BLOCKS if block.is_run}
    assert [block.place for block in BLOCKS if block.file and block.document not in run] == []


def test_every_mark_is_known() -> None:
    known = re.compile(r"|run|run: in a clone|file: \S+|not run: .+|part: \S+")
    assert [block.place for block in BLOCKS if not known.fullmatch(block.mark)] == []


@pytest.mark.parametrize("block", of("bash"))
def test_commands_are_taken_by_raycl(block: CodeBlock) -> None:
    lines = command_lines(block)
    raycl = [re.sub(r"^(\S*python3? -m |\.venv/bin/)", "", line) for line in lines]
    for line in raycl:
        if line.split()[0] == "raycl":
            parse(line)
    others = [line for line in raycl if line.split()[0] not in TARGETS]
    assert others == [] or block.is_run, "mark the block as run, or say why it is not"


@pytest.mark.parametrize("block", of("yaml"))
def test_recipes_are_valid(block: CodeBlock) -> None:
    data = parse_document(block.text, block.place).data
    parse_recipe(whole_recipe(data, block.mark), block.place)


@pytest.mark.parametrize("block", of("json"))
def test_json_can_be_read(block: CodeBlock) -> None:
    yaml.safe_load(block.text)


@pytest.mark.parametrize("block", of("python"))
def test_python_is_run_by_a_test(block: CodeBlock) -> None:
    is_example = block.document.name == "CONTRIBUTING.md" and block.text.startswith("# ")
    assert block.is_run or is_example, "mark the block as run, or say why it is not"


def whole_recipe(data: Any, mark: str) -> Mapping[str, Any]:
    """The data of a block, inside of a recipe that is complete without it."""
    part = {mark.removeprefix("part: "): data} if mark.startswith("part: ") else data
    part = {"stages": part} if isinstance(part, list) else part
    stage = {"tokens": "1B", "schedule": "rewarm"}
    whole: dict[str, Any] = {
        "name": "example",
        "model": {"preset": "gpt-neox-tiny"},
        "tokenizer": {"train": {"vocabulary": 4096}},
        "sequence_length": 128,
        "global_batch": 8,
        "corpora": {name: {"text": [f"{name}.jsonl"]} for name in NAMES},
        "stages": [{"name": "web", **stage}, {"name": "medical", **stage}],
    }
    whole = whole | dict(part)
    if "pretrained" in whole["model"]:
        whole.pop("tokenizer")  # a model from outside brings its own
    return whole


NAMES = ("web", "medical", "english", "german", "new", "code")
