"""What a command writes never ends its work: no encoding, no name, no reader, no full disk."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.made_up_sweeps import write_state
from raycl.cli.main import main
from raycl.cli.output import print_whole
from raycl.recipe.definition import define
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.storage import Storage
from tests.helpers.fakes import make_corpus
from tests.helpers.paths import ROOT
from tests.helpers.recipe_data import recipe_data, write_recipe
from tests.helpers.report_page import snapshot_in


def trained(folder: Path, label: str = "a") -> tuple[str, Storage]:
    """A recipe whose grid has this label, and a storage with its trained states, in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    grid = {"label": label, "new.replay": ["0%", "25%"]}
    recipe, storage = write_recipe(folder, recipe_data(sweep=[grid])), Storage(folder / "runs")
    for name in ("old", "new"):
        make_corpus(storage, name)
    for node in plan_sweeps((define(recipe),), storage).tree.nodes:
        write_state(node.training, storage)
    return str(recipe), storage


def written(monkeypatch: pytest.MonkeyPatch, encoding: str, *arguments: str) -> str:
    """The output of a command whose stdout has this encoding."""
    data = io.BytesIO()
    stream = io.TextIOWrapper(data, encoding=encoding, write_through=True)
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    assert not ended.value.code
    return data.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8", "utf-16"])
def test_any_encoding_of_the_output(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, storage = trained(tmp_path, "ölçü → 語 🙂")
    place = ["--storage", storage.url]
    assert "60 steps trained" in written(monkeypatch, encoding, "plan", recipe, *place)
    assert "report.html" in written(monkeypatch, encoding, "sweep", recipe, *place)
    for command in ("report", "status", "states"):
        assert "small" in written(monkeypatch, encoding, command, *place)
    label = "ölçü → 語 🙂, replay 25%"
    steps = ["steps", recipe, "--label", label, "--stage", "new", "--to", "2", "--csv"]
    assert written(monkeypatch, encoding, *steps).count("\n") == 3
    assert label in pd.read_csv(tmp_path / "runs/sweeps/small/results.csv")["recipe"].tolist()


@pytest.mark.parametrize(
    "folder",
    [
        os.fsdecode(b"not \xff text"),
        'it\'s "quoted" 100% [red] #?&*',
        "two\nlines",
        "<b>&amp;",
        " ",
        "ünï 語",
    ],
)
def test_any_path_and_label(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    label = "[bold]x[/bold] <script>1</script> &amp; :fire: \\" + " long" * 60
    recipe, _ = trained(tmp_path / folder, label)
    runs = tmp_path / folder / "runs"
    out = written(monkeypatch, "utf-8", "sweep", recipe, "--storage", str(runs))
    shown = f"{folder}/runs/sweeps/small/report.html"
    assert shown.encode(errors="replace").decode() in out
    page = (runs / "sweeps/small/report.html").read_bytes()
    assert b"<script>1" not in page
    (sweep,) = snapshot_in(page)["sweeps"]
    assert any(recipe["label"].startswith(label) for recipe in sweep["recipes"])
    histories = os.listdir(runs / "sweeps/small/history")
    assert len(histories) == 2
    assert max(map(len, histories)) < 100


class _Full(io.StringIO):
    """A stream to a disk that is full; its number is that of a real file."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def fileno(self) -> int:
        return self._number

    def write(self, _: str, /) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_sweep_outlives_a_full_disk_behind_its_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, storage = trained(tmp_path)
    with (tmp_path / "out").open("wb") as file:
        monkeypatch.setattr(sys, "stdout", _Full(file.fileno()))
        with pytest.raises(SystemExit) as ended:
            main(["sweep", recipe, "--storage", storage.url])
    assert not ended.value.code
    assert storage.exists("sweeps/small/report.html")


def test_output_that_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, storage = trained(tmp_path)
    place = ["--storage", storage.url]
    wrong = ["plan", "nowhere.yaml"]
    for arguments in (["sweep", recipe, *place], ["states", "--storage", storage.url], wrong):
        monkeypatch.setattr(sys, "stdout", None)
        monkeypatch.setattr(sys, "stderr", None)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert (ended.value.code or 0) == (2 if arguments == wrong else 0)
    assert storage.exists("sweeps/small/report.html")


def test_a_sweep_outlives_its_reader(tmp_path: Path) -> None:
    recipe, storage = trained(tmp_path)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "raycl", "sweep", recipe, "--storage", storage.url],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
    assert storage.exists("sweeps/small/report.html")


@pytest.mark.parametrize("width", [20, 80, 400])
@pytest.mark.parametrize("is_terminal", [True, False])
def test_names_in_tables_are_whole(width: int, is_terminal: bool) -> None:
    state = f"{12:09d}-{'f' * 40}"
    users = "; ".join(f"sweep-{number}: replay {number}%" for number in range(20))
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=is_terminal, color_system=None)
    table = Table("state", "size", box=None)
    table.columns[0].no_wrap = True
    table.add_column("used by", overflow="ellipsis")
    table.add_row(state, "1 MB", Text(users, no_wrap=True, overflow="ellipsis"))
    print_whole(console, table)
    heading, *lines = out.getvalue().splitlines()
    assert len(lines) == 1
    assert state in lines[0]
    assert (users in lines[0]) is (not is_terminal)
    assert max(map(len, (heading, *lines))) <= max(width, 80 if is_terminal else 1000)
