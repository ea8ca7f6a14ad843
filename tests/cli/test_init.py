"""`raycl init`: options alone, wrong answers, and a session in a real terminal."""

from __future__ import annotations

import inspect
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from raycl.cli.init import init
from raycl.cli.main import main
from raycl.recipe.definition import define
from tests.helpers.checkpoints import CONFIG, small_tensors, write_checkpoint
from tests.helpers.corpus_text import texts, write_lines
from tests.helpers.paths import ROOT
from tests.helpers.tokenizers import byte_level


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with German and English text, in which the command runs."""
    write_lines(tmp_path / "english.jsonl", texts(3000))
    lines = (json.dumps({"body": text, "title": "a"}) for text in texts(3000, seed=1))
    (tmp_path / "german.jsonl").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["init", *map(str, arguments)])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


TINY = ("--model", "gpt-neox-tiny")
TEXT = ("--new", "german.jsonl", "--text-field", "body", "--old", "english.jsonl")


def test_options_alone_write_a_recipe_that_plans(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = said(capsys, "my.yaml", *TINY, *TEXT, "--shift", "weak", "--budget", "2x")
    assert (code, err) == (0, "")
    assert out.rstrip().endswith("  raycl sweep my.yaml --storage runs/my")
    recipe = define(folder / "my.yaml").recipe
    assert recipe.corpora["german"].text_field == "body"
    assert [stage.name for stage in recipe.stages] == ["english", "german"]
    assert "The stage german reads its text about 2" in out


def test_the_command_in_the_recipe_writes_the_same_recipe(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "my.yaml", *TINY, *TEXT, "--shift", "strong", "--more", "--no-baselines")
    text = (folder / "my.yaml").read_text()
    lines = text.split("# Written by: ")[1].split('# "The paper"')[0]
    command = lines.replace("\n# ", " ").split()
    assert command[:3] == ["raycl", "init", "my.yaml"]
    (folder / "my.yaml").unlink()
    assert said(capsys, *command[2:])[0] == 0
    assert (folder / "my.yaml").read_text() == text


def test_a_given_model_is_read_with_its_tokenizer_and_positions(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_checkpoint(folder / "base", small_tensors(vocabulary=512), {**CONFIG, "vocab_size": 512})
    arguments = ("my.yaml", "--model", "base", *TEXT, "--shift", "strong", "--max-lr", "1e-3")
    code, _, err = said(capsys, *arguments)
    assert (code, "'base': no tokenizer came with it" in err) == (2, True)
    byte_level().save(str(folder / "base" / "tokenizer.json"))
    code, out, _ = said(capsys, *arguments)
    assert (code, "english stands in for what the model" in out) == (0, True)
    recipe = define(folder / "my.yaml").recipe
    assert list(recipe.model.knows) == ["english"]
    assert recipe.baselines == ("union", "previous")


def test_the_page_names_every_option() -> None:
    page = (ROOT / "docs" / "init.md").read_text()
    options = {name for name in inspect.signature(init).parameters if name != "file"}
    flags = {f"--{name.replace('_', '-')}" for name in options} - {"--baselines"}
    assert {flag for flag in flags if f"{flag}`" not in page} == set()


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "my.yaml").write_text("mine")
    code, _, err = said(capsys, "my.yaml", *TINY, *TEXT, "--shift", "weak")
    assert (code, (folder / "my.yaml").read_text()) == (2, "mine")
    assert "nothing is overwritten. Give another name" in err


def test_all_missing_answers_are_named_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = said(capsys, folder / "my.yaml")
    assert code == 2
    assert "--model, --new, --old, --shift: missing, and nobody is asked" in err
    _, _, err = said(capsys, "my.yaml", *TINY, "--new", "german.jsonl", "--old", "none", "--yes")
    assert "missing" not in err
    _, _, err = said(capsys, "other.yaml", *TINY, "--new", "german.jsonl", "--old", "english")
    assert err.startswith("error: --shift: missing")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "nowhere"), "--model: 'nowhere': no folder, no preset"),
        (("--new", "nothing.jsonl"), "--new: input 'nothing.jsonl': no files match"),
        (("--new", "empty"), "--new: input 'empty': no files match"),
        (("--text-field", "text"), "there is no field 'text'"),
        (("--old", "german.jsonl"), "--old: 'german.jsonl': the same as the new text"),
        (("--shift", "some"), "--shift: 'some': not an answer. Give weak or strong"),
        (("--budget", "much"), "--budget: 'much': neither tokens nor a time"),
        (("--budget", "500"), "--budget: 500 tokens are"),
        (("--cluster", "moon"), "--cluster: 'moon': no place"),
        (("--gpus", "many"), "--gpus: 'many': no number"),
        (("--gpus", "2", "--gpu", "G9"), "--gpu: 'G9': a GPU whose speed is not known"),
        (("--cluster", "laptop", "--gpus", "2"), "--gpus: GPUs, and --cluster laptop means"),
        (("--max-lr", "3"), "--max-lr: '3': no learning rate"),
        (("--sequence-length", "2200", "--budget", "5M"), "change --sequence-length"),
        (("--gpus", "2", "--budget", "5h"), "the kind of the GPUs is not known"),
    ],
)
def test_a_wrong_answer_names_its_option_and_writes_nothing(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    (folder / "empty").mkdir()
    asked = dict(zip((*TINY, *TEXT)[::2], (*TINY, *TEXT)[1::2], strict=True))
    asked |= {"--shift": "weak"}
    asked |= dict(zip(arguments[::2], arguments[1::2], strict=True))
    code, _, err = said(capsys, "my.yaml", *(word for pair in asked.items() for word in pair))
    assert words in err
    assert (code, (folder / "my.yaml").exists()) == (2, False)


@pytest.mark.parametrize("file", ["none/my.yaml", "my.txt", "my recipe.yaml", "-.yaml"])
def test_a_file_that_is_no_recipe(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *TINY, *TEXT, "--shift", "weak", "--", file)[0] == 2


def test_plain_text_in_one_file_is_divided_at_empty_lines(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "book.txt").write_text("\n\n".join(texts(3000, seed=2)))
    assert said(capsys, "my.yaml", *TINY, "--new", "book.txt", "--old", "none")[0] == 0
    assert define(folder / "my.yaml").recipe.corpora["book"].document_separator == "\n\n"
    (folder / "line.txt").write_text("\n".join(texts(300, seed=2)))
    _, _, err = said(capsys, "other.yaml", *TINY, "--new", "line.txt", "--old", "none")
    assert "--new: too few documents to hold some of them out whole: " in err
    assert "in one document. Give 20 or more" in err


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.read, child = pty.openpty()
        self.text = ""
        self._passed = 0
        self.process = subprocess.Popen(
            [sys.executable, "-m", "raycl", "init", *arguments],
            stdin=child,
            stdout=child,
            stderr=child,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "100"},
        )
        os.close(child)

    def wait_for(self, words: str) -> None:
        """Read until the words are there, behind those that were waited for before."""
        limit = time.monotonic() + 120
        while (found := self.text.find(words, self._passed)) < 0:
            assert time.monotonic() < limit, self.text
            if select.select([self.read], [], [], 1)[0]:
                try:
                    self.text += os.read(self.read, 4096).decode(errors="replace")
                except OSError:
                    raise AssertionError(self.text) from None
        self._passed = found + len(words)

    def answer(self, question: str, answer: str) -> None:
        """Wait for the question, and answer."""
        self.wait_for(question)
        os.write(self.read, f"{answer}\n".encode())


def test_a_session_in_a_terminal(folder: Path) -> None:
    terminal = Terminal(folder)
    terminal.answer("Model: ", "gpt-neox-tine")
    terminal.wait_for("Do you mean gpt-neox-tiny?")
    terminal.answer("Model: ", "gpt-neox-tiny")
    terminal.answer("New text: ", "no-such.jsonl")
    terminal.wait_for("no files match")
    terminal.answer("New text: ", "german.jsonl")
    terminal.wait_for("body, title")
    terminal.answer("Field of the text [body]: ", "")
    terminal.answer("Old text: ", "english.jsonl")
    terminal.answer("Shift: ", "s")
    terminal.answer("Where [laptop]: ", "")
    terminal.answer("More later [no]: ", "")
    terminal.answer("Budget [1x]: ", "60k")
    terminal.wait_for("raycl sweep my.yaml --storage runs/my")
    assert terminal.process.wait(60) == 0
    recipe = define(folder / "my.yaml").recipe
    assert recipe.corpora["german"].text_field == "body"
    assert float(recipe.stages[1].replay_share) == 0.25
