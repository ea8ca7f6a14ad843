"""`raycl export`: the whole folder, as somebody gets it who has nothing of raycl."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from raycl.cli.main import main
from raycl.storage import Storage
from tests.helpers.finished_sweep import finished_sweep


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    """A storage in which the sweep `small` is finished."""
    return finished_sweep(tmp_path_factory.mktemp("storage"))


def said(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    code = 0
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as ended:
        code = int(ended.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_best_recipe_with_its_card_and_nothing_of_this_machine(
    capsys: pytest.CaptureFixture[str], storage: Storage, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    code, text, err = said(capsys, "export", "best", out, "--storage", storage.url)
    assert (code, err) == (0, "")
    assert "Checked: transformers loads the folder, with a loss of" in text
    names = {file.name for file in out.iterdir()}
    assert {"README.md", "recipe.yaml", "config.json", "model.safetensors"} <= names
    assert {"tokenizer.json", "tokenizer_config.json", "generation_config.json"} <= names
    for file in out.iterdir():
        for place in (str(tmp_path.parent), str(Path.home()), storage.url):
            assert place.encode() not in file.read_bytes()


def test_the_form_with_to_and_a_folder_that_is_not_checked(
    capsys: pytest.CaptureFixture[str], storage: Storage, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    arguments = ["export", "replay 0%", "--storage", storage.url, "--to", out, "--no-check"]
    code, text, _ = said(capsys, *arguments)
    assert code == 0
    assert "Not checked: the folder was not loaded" in text
    assert "Not checked: the folder was not loaded" in (out / "README.md").read_text()
    code, _, err = said(capsys, *arguments)
    assert code == 2
    assert "it is not empty" in err


def test_arguments_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], storage: Storage, tmp_path: Path
) -> None:
    start = ["export", "best", "--storage", storage.url]
    for arguments, expected in (
        ([], "one folder is needed"),
        ([tmp_path / "a", "--max-shard-size", "5 apples"], "not a size of a file"),
        ([tmp_path / "a", "--push", "model"], "Write owner/name"),
    ):
        code, _, err = said(capsys, *start, *arguments)
        assert code == 2
        assert expected in err
    assert not (tmp_path / "a").exists()
