"""The site builds without a warning, and its generated pages hold what the code has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docs.site.command_reference import command_reference
from docs.site.error_reference import Message, error_reference, messages
from docs.site.hook import generated_pages
from docs.site.included import PAGES, included_page
from docs.site.pictures import FOLDER, PICTURES, draw
from docs.site.recipe_reference import recipe_reference
from raycl.recipe.schema import Corpus, Stage
from tests.helpers.paths import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    # Strict: a link that leads nowhere, a page outside of the navigation, anything odd.
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_has_every_page(site: Path) -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = re.findall(r"[\w/-]+(?=\.md)", str(navigation))
    built = [site / ("" if page == "index" else page) / "index.html" for page in pages]
    assert [str(file) for file in built if not file.is_file()] == []


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img)[^>]* src=\"https?:|<link[^>]*stylesheet[^>]*https?:")
    assert [str(page) for page in site.rglob("*.html") if loaded.search(page.read_text())] == []


def test_every_field_of_a_stage_and_a_corpus_is_in_the_reference() -> None:
    page = recipe_reference()
    fields = {*Stage.model_fields, *Corpus.model_fields}
    assert {name for name in fields if f"`{name}`" not in page} == set()


def test_every_field_has_a_meaning() -> None:
    rows = [line for line in recipe_reference().splitlines() if line.startswith(("| `", "| **"))]
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_command_is_in_the_reference() -> None:
    page = command_reference()
    assert {"## raycl plan", "## raycl sweep", "## raycl jobs list"} <= set(page.splitlines())


def test_a_message_is_read_with_what_differs_left_open() -> None:
    source = """
def check(value):
    problem = f"{value} is too many"
    raise InputError("here", problem, "Give " + "fewer")
"""
    assert list(messages(source)) == [Message("… is too many", "Give fewer")]


def test_errors_are_listed_by_room() -> None:
    page = error_reference()
    assert "## recipe" in page
    assert "| it is empty |" in page


def test_generated_pages_are_all_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [path for path, _ in generated_pages() if f"- {path}" not in navigation] == []


def test_links_of_included_pages_lead_to_pages_of_the_site() -> None:
    pages = "".join(map(included_page, PAGES))
    assert "](architecture.md)" in pages
    assert re.findall(r"\]\((?:\.\./|docs/|raycl/)", pages) == []


@pytest.mark.parametrize("name", PICTURES)
def test_the_pictures_in_the_repository_are_what_the_code_draws(name: str, tmp_path: Path) -> None:
    drawn, stored = draw(name, tmp_path), FOLDER / f"concept-{name}.svg"
    assert drawn.read_text() == stored.read_text(), "run python -m docs.site.pictures"
