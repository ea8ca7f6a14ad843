"""Pages whose blocks are marked as run do what they say, word for word, from top to bottom."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.code_blocks import DOCUMENTS, CodeBlock, code_blocks
from tests.helpers.paths import ROOT

PAGES = {page.stem: page for page in DOCUMENTS if any(b.is_run for b in code_blocks(page))}
SECONDS = 900


def with_marks(name: str) -> object:
    """A page as a parameter; those that train start a Ray of their own."""
    trains = any(word in PAGES[name].read_text() for word in ("raycl sweep", "raycl quickstart"))
    return pytest.param(name, marks=[pytest.mark.slow, *([pytest.mark.ray] if trains else [])])


@pytest.mark.timeout(2 * SECONDS)
@pytest.mark.parametrize("name", [with_marks(name) for name in PAGES])
def test_a_page_runs_from_top_to_bottom(name: str, tmp_path: Path) -> None:
    blocks = code_blocks(PAGES[name])
    if any(block.mark == "run: in a clone" for block in blocks):
        shutil.copytree(ROOT / "raycl", tmp_path / "raycl")
        subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    environment = user_environment(tmp_path)
    for block in blocks:
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.is_run:
            run(block, tmp_path, environment)


def run(block: CodeBlock, folder: Path, environment: dict[str, str]) -> None:
    """Run a block in the folder; what it printed is the message where it fails."""
    if block.language == "bash":
        command = ["bash", "-euo", "pipefail", "-c", block.text]
    else:
        command = [sys.executable, "-c", block.text]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, f"{block.place}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"


def user_environment(folder: Path) -> dict[str, str]:
    """The variables of a user whose `raycl` and `python` are those of the tests."""
    programs = folder / ".bin"
    programs.mkdir()
    for name, words in (("raycl", "-m raycl"), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(0o755)
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": paths}
