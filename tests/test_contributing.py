"""Every worked example of CONTRIBUTING.md runs, and its test passes.

A python block whose first line is a comment with a file name is that file. All files of a heading
`### …` are written into a folder of their own, and pytest runs the tests among them in one process
of its own, so that what an example registers stays away from the other tests.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tests.helpers.paths import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PROBLEMS = {"failure", "error", "skipped"}
EXPECTED = {
    "A schedule",
    "A corpus reader",
    "A metric",
    "An optimizer",
    "A storage back end",
    "A tracker",
    "A search algorithm",
    "An observer of the loop",
}


def examples() -> dict[str, dict[str, str]]:
    """Heading -> name of a file -> its text, for every heading that has files."""
    sections = re.split(r"^### (.+)$", TEXT, flags=re.MULTILINE)[1:]
    pairs = zip(sections[::2], sections[1::2], strict=True)
    found = {title: dict(BLOCK.findall(text)) for title, text in pairs}
    return {title: files for title, files in found.items() if files}


def folder_name(title: str) -> str:
    return re.sub(r"\W+", "_", title.lower())


def test_every_place_for_an_extension_has_a_file_and_a_test() -> None:
    assert set(examples()) == EXPECTED
    for title, files in examples().items():
        tests = [name for name in files if name.startswith("test_")]
        assert (len(files), len(tests)) == (2, 1), f"CONTRIBUTING.md, {title}: {sorted(files)}"


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Heading -> what went wrong in its tests, an empty text where all of them passed."""
    root = tmp_path_factory.mktemp("examples")
    for title, files in examples().items():
        (root / folder_name(title)).mkdir()
        for name, text in files.items():
            (root / folder_name(title) / name).write_text(text, encoding="utf-8")
    report = root / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["--continue-on-collection-errors"]  # one broken example hides no other
    result = subprocess.run(
        [*command, "-c", os.devnull, f"--rootdir={root}", f"--junitxml={report}", str(root)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=550,  # pytest ends a test after 600 s
    )
    assert report.exists(), result.stdout + result.stderr
    wrong = dict.fromkeys(examples(), "no test of it has run\n" + result.stdout)
    cases = list(ElementTree.parse(report).iter("testcase"))
    for title in examples():
        # A file that cannot be imported is a case without a class.
        own = [
            case
            for case in cases
            if folder_name(title) in f"{case.get('classname')}.{case.get('name')}"
        ]
        failed = [part.text or "" for case in own for part in case if part.tag in PROBLEMS]
        if own:
            wrong[title] = "\n".join(failed)
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize("title", sorted(EXPECTED))
def test_the_example_runs(title: str, outcome: dict[str, str]) -> None:
    problem = outcome.get(title, "there is no such heading with an example")
    if problem:
        pytest.fail(f"CONTRIBUTING.md, example {title!r}:\n{problem}", pytrace=False)
