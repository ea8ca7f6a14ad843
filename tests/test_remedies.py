"""What messages and documents tell people to do exists: commands, options, fields of recipes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from raycl.recipe.unknown_fields import _inside, _models_at, _names
from tests.helpers.command_lines import COMMANDS, OPTIONS, problem
from tests.helpers.paths import ROOT

SOURCES = sorted((ROOT / "raycl").rglob("*.py"))
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
ERRORS = ("InputError", "FieldError")
FOREIGN = {"--head", "--extra-index-url", "--working-dir", "--standalone", "--nproc_per_node"} | {
    "--dataset-impl"
}
"""Options of other programs that messages name."""
WORDS = {
    *("best", "start"),  # states
    *("bindings",),  # of a scale file
    *("save_pretrained", "tokenizer.save_pretrained", "model._orig_mod", "model.module"),
    *("raycl", "transformers", "huggingface_hub", "peft", "lm_eval"),
}
"""Words of other things than recipes."""


def texts(path: Path) -> Iterator[str]:
    """Every text of a module, f-strings with `X` for what is filled in; docstrings too."""
    inner: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in ast.walk(node) if part is not node}
            parts = (v.value if isinstance(v, ast.Constant) else "X" for v in node.values)
            yield "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and id(node) not in inner:
            yield str(node.value)


def remedies(path: Path) -> Iterator[str]:
    """The last argument of each InputError and FieldError that is written out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS and node.args:
            module = ast.Module([ast.Expr(node.args[-1])], [])
            for inner in ast.walk(module):
                if isinstance(inner, ast.JoinedStr):
                    parts = (v.value if isinstance(v, ast.Constant) else "X" for v in inner.values)
                    yield "".join(map(str, parts))
                elif isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    yield inner.value


def paths_of_fields() -> set[str]:
    """The paths of all fields of recipes, without the names of stages and corpora."""
    found: set[str] = set()
    todo: list[tuple[tuple[str, ...], list[type[BaseModel]]]] = [((), _models_at([]))]
    while todo:
        above, models = todo.pop()
        for name in _names(models):
            path = (*above, name)
            found.add(".".join(path))
            inner = _inside(models, name)
            if inner and name not in above and len(path) < 5:
                todo.append((path, inner))
    return found


FIELDS = paths_of_fields()
LAST = {path.rpartition(".")[2] for path in FIELDS}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_commands_and_options_in_messages_exist(path: Path) -> None:
    for text in texts(path):
        for line in re.findall(r"`(raycl [a-z][^`]*)`", " ".join(text.split())):
            assert problem(line) is None, line
    for text in remedies(path):
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+[a-z]", text):
            assert option in OPTIONS | FOREIGN | {"--help", "--version"}, (option, text)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_fields_in_remedies_exist(path: Path) -> None:
    for text in remedies(path):
        for field in re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)`", text):
            assert field in FIELDS or field in LAST | WORDS, (field, text)
        for field in re.findall(r"\b((?:execution|model|tokenizer|validation)\.[a-z_]+)\b", text):
            assert field in FIELDS | WORDS or field.endswith(".json"), (field, text)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_exist(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are checked by tests/docs/test_code_blocks.py."""
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)
    for line in re.findall(r"`(raycl [a-z][^`\n]*)`", document.read_text()):
        assert problem(line) is None, line


def test_every_command_is_found() -> None:
    assert {"status", "jobs list", "models add"} <= set(COMMANDS)
    assert {"execution.keep", "corpora.document_separator", "stages.schedule.max_lr"} <= FIELDS
