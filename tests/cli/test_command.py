"""Earlier spellings of commands: each is answered with the present one, and none has a meaning."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from raycl.cli.command import RENAMED, STORAGE_FIRST, Command
from raycl.cli.main import app, main

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def said(capsys: pytest.CaptureFixture[str], command: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command))
    assert ended.value.code == 2
    return capsys.readouterr().err


EARLIER = {
    "status runs/my": "status --storage runs/my",
    "status my": "status --storage my",
    "report s3://bucket/my --name a": "report --sweep a --storage s3://bucket/my",
    "report --name=a --storage my": "report --sweep=a --storage my",
    "states runs/my --json": "states --json --storage runs/my",
    "prune runs/my --yes": "prune --yes --storage runs/my",
    "tasks runs/my --to out --corpus a": "tasks --to out --corpus a --storage runs/my",
    "extend runs/my --recipe best --with new.yaml": (
        "extend --label best --with new.yaml --storage runs/my"
    ),
    "generate runs/my 'replay 5%' 'Once upon'": (
        "generate 'replay 5%' 'Once upon' --storage runs/my"
    ),
    "evaluate --sweep a --recipe 'replay 5%' --storage my": (
        "evaluate --sweep a --label 'replay 5%' --storage my"
    ),
    "evaluate runs/my": "evaluate --storage runs/my",
    "steps my.yaml --recipe small --stage new": "steps my.yaml --label small --stage new",
    "sweep my.yaml runs/my": "sweep my.yaml --storage runs/my",
    "export runs/my best out": "export best out --storage runs/my",
}


@pytest.mark.parametrize("command", EARLIER)
@pytest.mark.parametrize("storage", [None, "runs/other"])
def test_an_earlier_spelling_gets_the_present_one(
    command: str,
    storage: str | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)
    if storage is not None:
        monkeypatch.setenv("RAYCL_STORAGE", storage)
    err = said(capsys, command)
    assert f"Write: raycl {EARLIER[command]}\n" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "command",
    [
        "generate best 'Once upon'",
        "plan my.yaml other.yaml",
        "plan my.yaml a b",
        "steps my.yaml 'replay 5%' --stage new",
        "status --storage a b",
        "evaluate --recip x",
    ],
)
def test_other_bad_usage_is_not_taken_for_an_earlier_spelling(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAYCL_STORAGE", raising=False)
    err = said(capsys, command)
    assert "Write:" not in err
    assert re.search("Missing option|unexpected extra argument|No such option", err)


def test_every_command_names_storages_and_sweeps_in_one_way() -> None:
    checked = 0
    for name, command in COMMANDS.items():
        for each in getattr(command, "commands", {name: command}).values():
            assert isinstance(each, Command), name
            options = {option: p for p in each.params for option in p.opts}
            assert "storage" not in options  # an argument's name
            for storage in (p for p in each.params if p.name == "storage"):
                assert storage.opts == ["--storage"]
                assert storage.envvar == "RAYCL_STORAGE"
                checked += 1
            assert not {"--recipe", "--name"} & set(options)
    assert checked > 12


def test_what_is_listed_as_renamed_is_no_option() -> None:
    for name, renamed in RENAMED.items():
        options = {option for p in COMMANDS[name].params for option in p.opts}
        assert set(renamed.values()) <= options
        assert not set(renamed) & options
    for name in STORAGE_FIRST:
        assert not [p for p in COMMANDS[name].params if p.param_type_name == "argument"]


def test_the_variable_names_the_storage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAYCL_STORAGE", str(tmp_path))
    assert f"storage '{tmp_path}': no sweep here" in said(capsys, "status")
    with pytest.raises(SystemExit):
        main(["status", "--help"])
    assert "RAYCL_STORAGE" in capsys.readouterr().out
