"""docs/notebook.ipynb runs from its first to its last cell, and its outputs are as it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"


def test_no_outputs_are_stored() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell["outputs"] for cell in cells if cell["cell_type"] == "code")


def outputs(cell: Any) -> str:
    """Everything that a cell has shown, as text."""
    return "".join(
        output.get("text", "") + output.get("data", {}).get("text/plain", "")
        for output in cell["outputs"]
    )


@pytest.mark.ray
@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    shutil.copy(NOTEBOOK, tmp_path)
    notebook: Any = nbformat.read(tmp_path / NOTEBOOK.name, as_version=4)  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources=resources).execute()
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    shown = [outputs(cell) for cell in code]
    assert "Plan of notebook: 2 recipes, 3 nodes" in shown[3]
    assert "replay 25%" in shown[6]
    assert any("image/png" in output.get("data", {}) for output in code[7]["outputs"])
    assert "sweep='notebook'" in shown[8]
    assert "1234: one" in shown[9]
