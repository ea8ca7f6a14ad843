"""Where things lie in a storage is spelled in one module."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from raycl.storage import layout
from tests.helpers.paths import ROOT

LAYOUT = ROOT / "raycl/storage/layout.py"
FOLDERS = [
    layout.CORPORA,
    layout.TOKENIZERS,
    layout.STARTS,
    layout.STATES,
    layout.LEASES,
    layout.QUEUE,
    layout.EVALUATIONS,
    layout.BINDINGS,
    layout.SWEEPS,
    layout.OVERLAPS,
    layout.STEERING,
    layout.FAILURES,
    layout.LIVE,
    layout.TRACKERS,
]
FILES = ["state.json", "history.parquet", "manifest.json", "tree.json", "recipe.yaml"]
FILES += ["losses.json", "seconds.json", "tokenizer.json", ".spool", "packed-"]
FILES += ["results.parquet", "results.csv", "report.html", "/history/", "/tensorboard"]
PATH = re.compile(rf"^({'|'.join(FOLDERS)})/|{'|'.join(re.escape(file) for file in FILES)}")
OTHER_FILES = {  # files of the same names that lie outside any storage
    "raycl/data/prepare/marker_files.py": {"state.json"},
    "raycl/data/prepare/saved_dataset.py": {"state.json"},  # of Hugging Face datasets
    "raycl/submit/package.py": {"recipe.yaml"},
}
"""Text of literals that is no path of a storage, by module; `{}` stands for a value."""


def literals(module: Path) -> Iterator[str]:
    """Every text that the code spells, docstrings aside; `{}` stands for a value in it."""
    tree = ast.parse(module.read_text())
    # A docstring, also that of a field, is a statement that is nothing but a text.
    skipped = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            skipped |= {id(part) for part in node.values}
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            yield "".join(str(part) for part in parts)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in skipped
        ):
            yield node.value


MODULES = [path for path in sorted((ROOT / "raycl").rglob("*.py")) if path != LAYOUT]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_other_module_spells_a_path_of_a_storage(module: Path) -> None:
    allowed = OTHER_FILES.get(str(module.relative_to(ROOT)), set())
    spelled = {t for t in literals(module) if " " not in t.strip() and PATH.search(t)} - allowed
    assert not spelled, f"take these from raycl.storage.layout: {sorted(spelled)}"


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        '"""A docstring may say states/name/state.json."""\n'
        'a = f"states/{name}/x"\n'
        'b = folder + "/manifest.json"\n'
        'c = f"{sweep}/tree.json"\n'
    )
    found = {text for text in literals(module) if PATH.search(text)}
    assert found == {"states/{}/x", "/manifest.json", "{}/tree.json"}


def test_every_path_is_below_one_of_the_known_folders() -> None:
    functions = [f for _, f in inspect.getmembers(layout, inspect.isfunction)]
    assert len(functions) > 20
    for function in functions:
        names = list(inspect.signature(function).parameters)
        path = function(*(0 if name in ("bucket", "number") else f"<{name}>" for name in names))
        inside_a_folder = path.startswith(("<folder>/", "<spool_folder>/"))
        assert inside_a_folder or path.partition("/")[0] in FOLDERS, path
