"""What the documents name exists: files, modules, targets of the Makefile, the version."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

import raycl
from docs.site.hook import generated_pages
from tests.helpers.paths import ROOT

DOCUMENTS = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")],
)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def name(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@cache
def generated() -> frozenset[str]:
    """The names of the pages that are made from the code, which takes seconds."""
    return frozenset(name for name, _ in generated_pages())


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_to_a_file(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    missing = [link for link in links if not (document.parent / link).exists()]
    assert [link for link in missing if link not in generated()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_path_of_the_repository_exists(document: Path) -> None:
    folders = "raycl|jobs|tests|docs|configs|benchmarks|cluster|kubernetes"
    pattern = rf"(?<![\w/.<-])(?:{folders})/[\w./-]*\w/?"
    code = re.findall(r"`([^`\n]+)`", document.read_text())
    paths = {path for words in code for path in re.findall(pattern, words)}
    assert {path for path in paths if not (ROOT / path).exists()} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_target_is_one_of_the_makefile(document: Path) -> None:
    named = set(re.findall(r"`?\bmake ([a-z]+(?:-[a-z]+)*)`", document.read_text()))
    assert named <= TARGETS


def test_the_citation_names_this_version_and_the_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["version"], citation["license"]) == (raycl.__version__, "Apache-2.0")
    paper = citation["references"][0]
    assert paper["url"] == "https://arxiv.org/abs/2403.08763"
    assert len(paper["authors"]) == 8
    changes = (ROOT / "CHANGELOG.md").read_text()
    assert f"## [{raycl.__version__}]" in changes


def test_every_page_is_part_of_the_site() -> None:
    navigation = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    listed = re.findall(r"[\w-]+\.md", str(navigation))
    pages = [page.name for page in (ROOT / "docs").glob("*.md")]
    made = [Path(name).name for name in generated()]
    assert sorted(listed) == sorted([*pages, *made])
