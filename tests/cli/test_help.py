"""Every `--help` has an example that the command takes, and `--version` says what is installed."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version

import pytest

import raycl
from raycl.cli.main import main
from tests.helpers.command_lines import COMMANDS, parse, problem


@pytest.fixture(autouse=True)
def _no_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_that_the_command_takes(name: str) -> None:
    examples = re.findall(r"Example: `(raycl [^`]*)`", COMMANDS[name].help)
    assert examples, f"raycl {name} --help has no example"
    for example in examples:
        assert example.startswith(f"raycl {name}")
        parse(example)


def test_the_examples_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["status"], ["jobs"], ["models", "add"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        assert f"Example: raycl {' '.join(words)}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("raycl status runs/my", "storage"),
        ("raycl status", "Missing"),
        ("raycl steps my.yaml --recipe x --stage a", "--label"),
        ("raycl models remove x", "no command 'remove'"),
    ],
)
def test_a_wrong_example_would_be_noticed(line: str, error: str) -> None:
    with pytest.raises(Exception, match=error):
        parse(line)
    assert problem("raycl steps --recipe x") == "`raycl steps` has no --recipe"
    assert problem("raycl nosuch") == "no command 'nosuch'"
    assert problem("raycl models add ./base --storage x") is None


def test_the_version_needs_no_library() -> None:
    program = (
        "import sys\nfrom raycl.cli.main import main\n"
        "try:\n    main(['--version'])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'ray', 'transformers'} & set(sys.modules)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines() == [
        f"raycl {raycl.__version__}",
        f"Python {sys.version.split()[0]}",
        *(f"{name} {version(name)}" for name in ("torch", "ray", "transformers")),
    ]
