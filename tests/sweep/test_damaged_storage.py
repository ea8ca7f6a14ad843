"""Every kind of damage to every kind of file of a finished sweep, and each command on it.

No command may end in a traceback, wait for ever, or give results that are not those of before.
"""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest
import yaml

from raycl.cli.main import main
from raycl.cluster.options import ClusterOptions
from raycl.storage import Storage, layout
from raycl.storage.record import sealed
from raycl.sweep.verify import verify_storage
from tests.helpers.finished_sweep import NAME, RECIPE, finished_sweep, train_plan

RESULTS = f"sweeps/{NAME}/results.csv"
Damage = Callable[[Path], object]


class ClusterStarted(Exception):
    """Raised in place of starting Ray."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished sweep, which no test changes."""
    folder = tmp_path_factory.mktemp("whole") / "runs"
    finished_sweep(folder)
    return folder


@pytest.fixture(autouse=True)
def _without_ray_and_drawing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    @contextmanager
    def no_cluster(_: ClusterOptions) -> Iterator[None]:
        raise ClusterStarted
        yield

    monkeypatch.setattr("raycl.cluster.connect.cluster", no_cluster)
    monkeypatch.setattr(
        "raycl.sweep.results.write_report", lambda _, known, *__: layout.sweep_report(known.name)
    )
    monkeypatch.chdir(tmp_path)  # where the recipe's text and tokenizer are


@pytest.fixture
def runs(whole: Path, tmp_path: Path) -> Path:
    """A copy of the sweep's folder, its recipe beside it with the text that it names."""
    folder = tmp_path / "runs"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("figures", "report.html"))
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    for name in RECIPE["corpora"]:
        (tmp_path / f"{name}.jsonl").write_text('{"text": "A"}\n')
    (tokenizer,) = folder.glob("tokenizers/*")
    shutil.copytree(tokenizer, tmp_path / "tokenizer")
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int | str, str, str]:
    """Exit code, output and errors; the code is `ray` where a cluster would have started."""
    code: int | str
    try:
        main([str(argument) for argument in arguments])
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except ClusterStarted:
        code = "ray"
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def commands(runs: Path) -> list[list[object]]:
    recipe = runs.parent / "small.yaml"
    return [
        ["plan", recipe, "--storage", runs],
        ["status", "--storage", runs],
        ["states", "--storage", runs],
        ["states", "--storage", runs, "--verify"],
        ["prune", "--storage", runs, "--older-than", "0s"],
        ["report", "--storage", runs],
        ["sweep", recipe, "--storage", runs],
    ]


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)


def replaced(make: Damage) -> Damage:
    def damage(file: Path) -> None:
        file.unlink()
        make(file)

    return damage


def exchange(file: Path) -> None:
    """With the file of a sibling of the same name."""
    other = next(o for o in sorted(file.parent.parent.glob(f"*/{file.name}")) if o != file)
    mine = file.read_bytes()
    file.write_bytes(other.read_bytes())
    other.write_bytes(mine)


DAMAGES: dict[str, Damage] = {
    "a bit": flip,
    "half": lambda file: file.write_bytes(file.read_bytes()[: file.stat().st_size // 2]),
    "empty": lambda file: file.write_bytes(b""),
    "not text": lambda file: file.write_bytes(b"\xff\xfe\x00{\x00"),
    "null": lambda file: file.write_bytes(b"null"),
    "a list": lambda file: file.write_bytes(b"[]"),
    "a mapping": lambda file: file.write_bytes(b"{}"),
    "deep": lambda file: file.write_bytes(b"[" * 10_000),
    "a folder": replaced(lambda file: file.mkdir()),
    "a link to nothing": replaced(lambda file: file.symlink_to("nowhere")),
    "a link to itself": replaced(lambda file: file.symlink_to(file.name)),
    "a link out": replaced(lambda file: file.symlink_to("/etc/hostname")),
    "a pipe": replaced(lambda file: os.mkfifo(file)),
}
FILES = {
    "mark": "states/000000006-*/state.json",
    "history": "states/000000012-*/history.parquet",
    "shard": "states/000000012-*/*.safetensors",
    "tree": "sweeps/small/tree.json",
    "recipe": "sweeps/small/recipe.yaml",
    "results": "sweeps/small/results.parquet",
    "manifest": "corpora/new/manifest.json",
    "binding": "bindings/older.json",
    "losses": "evaluations/*/losses.json",
    "scores": "evaluations/*/tasks/cloze.json",
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", FILES)
def test_no_command_fails_or_gives_other_results(
    runs: Path, capsys: pytest.CaptureFixture[str], file: str, damage: str
) -> None:
    path = next(runs.glob(FILES[file]))
    before = (runs / RESULTS).read_bytes()
    DAMAGES[damage](path)
    for command in commands(runs):
        code, out, err = run(capsys, *command)
        assert code in (0, 2, "ray"), (command, err)
        if code == 2:
            assert str(path.parent) in out + err or path.name in out + err, err
            assert "error:" in err or "damaged:" in err
        assert "Remove them with --yes" not in out
        assert (runs / RESULTS).read_bytes() == before, command
        # Results are made anew from the states; half of their file describes its own columns.
        if "--verify" in command and file != "results":
            assert code == 2, (file, damage)


@pytest.mark.parametrize("file", ["mark", "history", "recipe", "tree"])
def test_a_flipped_bit_is_named(runs: Path, capsys: pytest.CaptureFixture[str], file: str) -> None:
    path = next(runs.glob(FILES[file]))
    flip(path)
    code, _, err = (
        run(capsys, "report", "--storage", runs)
        if file != "tree"
        else run(capsys, "status", "--storage", runs)
    )
    assert code == 2
    assert path.name in err


def test_one_damaged_state_hides_no_other(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(runs.glob(FILES["mark"]))
    path.write_text("null")
    code, out, err = run(capsys, "states", "--storage", runs, "--json")
    assert code == 2
    assert sorted(line["kind"] for line in json.loads(out)) == ["damaged", "kept", "kept"]
    assert str(path) in err
    code, out, err = run(capsys, "status", "--storage", runs)
    assert code == 2
    assert "small: 2 of 3 nodes finished" in out
    assert str(path) in err
    assert run(capsys, "prune", "--storage", runs, "--older-than", "0s")[0] == 2


def test_histories_of_two_states_exchanged(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (runs / RESULTS).read_bytes()
    exchange(next(runs.glob(FILES["history"])))
    code, _, err = run(capsys, "report", "--storage", runs)
    assert code == 2
    assert "history.parquet: it does not match its checksum" in err
    assert (runs / RESULTS).read_bytes() == before


def test_folders_exchanged_are_named(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends = sorted(runs.glob("states/000000012-*"))
    for one, other in (ends, sorted(runs.glob("corpora/*"))):
        aside = one.with_name("aside")
        one.rename(aside)
        other.rename(one)
        aside.rename(other)
    damaged = verify_storage(Storage(runs)).damaged
    assert sum("it is the mark of the state" in text for text in damaged) == 2
    assert sum("it is the manifest of the corpus" in text for text in damaged) == 2
    assert run(capsys, "sweep", runs.parent / "small.yaml", "--storage", runs)[0] == 2


def test_states_that_come_before_each_other(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A circle; whoever writes such a mark writes its checksum too."""
    one, other = sorted(runs.glob("states/000000012-*/state.json"))
    for file, before in ((one, other), (other, one)):
        mark = json.loads(file.read_text()) | {"previous": before.parent.name, "previous_step": 12}
        file.write_text(json.dumps(sealed(mark)))
    code, _, err = run(capsys, "report", "--storage", runs)
    assert code == 2
    assert "cannot come before it" in err


def test_a_tree_that_is_gone_or_empty_lets_nothing_go(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = runs / "sweeps/small/tree.json"
    for damage in (lambda: tree.write_text("[]"), lambda: tree.write_text("{}"), tree.unlink):
        damage()
        code, out, err = run(capsys, "prune", "--storage", runs, "--older-than", "0s", "--yes")
        assert code == 2
        assert "nothing may go" in err
        assert "tree.json" in err
        assert not out
    assert len(list(runs.glob("states/*/state.json"))) == 3
    shutil.rmtree(runs / "sweeps/small")  # as docs/operations.md says, for a sweep not wanted
    code, out, _ = run(capsys, "prune", "--storage", runs, "--older-than", "0s")
    assert code == 0
    assert "of no stored sweep" in out


def test_good_results_stand_while_something_is_missing(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, manifest = (runs / RESULTS).read_bytes(), runs / "corpora/new/manifest.json"
    kept = manifest.read_bytes()
    manifest.unlink()
    code, out, err = run(capsys, "report", "--storage", runs)
    assert code == 2
    assert f"{manifest} is missing" in out
    assert "2 recipes are finished there" in err
    manifest.write_bytes(kept)
    states = runs / "states"
    states.rename(runs / "aside")
    assert run(capsys, "report", "--storage", runs)[0] == 2
    assert (runs / RESULTS).read_bytes() == before
    (runs / "aside").rename(states)
    assert run(capsys, "report", "--storage", runs)[0] == 0


def test_a_parent_that_was_removed(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The report goes on with what is known, and keeps better results where they stand."""
    before, parent = (runs / RESULTS).read_bytes(), next(runs.glob("states/000000006-*"))
    shutil.rmtree(parent)
    code, out, _ = run(capsys, "report", "--storage", runs)
    assert code == 0
    assert f"{parent} was removed" in out
    assert (runs / RESULTS).read_bytes() == before
    (runs / "sweeps/small/results.parquet").unlink()
    code, out, _ = run(capsys, "report", "--storage", runs)
    assert code == 0
    assert out.count("(incomplete)") == 2
    train_plan(Storage(runs))
    assert run(capsys, "report", "--storage", runs)[0] == 0
    anew, old = pd.read_csv(runs / RESULTS), pd.read_csv(io.BytesIO(before))
    timed = [n for n in map(str, anew) if "seconds" in n or "tokens_per_second" in n]
    pd.testing.assert_frame_equal(anew.drop(columns=timed), old.drop(columns=timed))


@pytest.mark.parametrize("cut", [False, True])
def test_a_state_that_lacks_a_file_is_trained_again(
    runs: Path, capsys: pytest.CaptureFixture[str], cut: bool
) -> None:
    shard = next(runs.glob(FILES["shard"]))
    if cut:
        os.truncate(shard, 100)
    else:
        shard.unlink()
    assert str(shard) in run(capsys, "status", "--storage", runs)[2]
    code, out, _ = run(capsys, "sweep", runs.parent / "small.yaml", "--storage", runs)
    assert code == "ray"
    assert str(shard) in out.replace("\n", "")
    assert "trained again" in " ".join(out.split())
    train_plan(Storage(runs))
    assert verify_storage(Storage(runs)).damaged == ()


def test_files_of_other_programs_are_passed_over(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = [run(capsys, *command)[:2] for command in commands(runs)]
    for folder in ("", "states", "corpora", "tokenizers", "bindings", "evaluations", "sweeps"):
        (runs / folder / ".DS_Store").write_bytes(b"\0")
        (runs / folder / "notes.txt").write_text("mine")
    (runs / "sweeps/empty").mkdir()
    assert [run(capsys, *command)[:2] for command in commands(runs)] == before
    assert run(capsys, "prune", "--storage", runs, "--older-than", "0s")[0] == 0


def test_a_recipe_that_was_edited_or_is_another_sweeps(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = runs / "sweeps/small/recipe.yaml"
    text = recipe.read_text()
    recipe.write_text(text.replace("50%", "5%"))
    code, _, err = run(capsys, "report", "--storage", runs)
    assert code == 2
    assert "recipe.yaml: it does not match its checksum" in err
    recipe.write_text(text.partition("\n")[2])  # as it was written before it had a checksum
    assert run(capsys, "report", "--storage", runs)[0] == 0
    recipe.write_text(text)
    (runs / "sweeps/small").rename(runs / "sweeps/other")
    code, _, err = run(capsys, "report", "--storage", runs)
    assert code == 2
    assert "of the sweep 'small'. The folder was renamed" in err


@pytest.mark.parametrize(
    "pattern",
    [
        "states/*/*.safetensors",
        "corpora/new/train/00000.npy",
        "corpora/older/validation/00000.crc32.npy",
        "tokenizers/*/tokenizer.json",
        *(pattern for name, pattern in FILES.items() if name != "results"),
    ],
)
def test_verification_finds_a_bit_of_any_file(whole: Path, tmp_path: Path, pattern: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(whole, folder)
    path = next(folder.glob(pattern))
    told: list[str] = []
    assert verify_storage(Storage(folder), told.append).damaged == ()
    flip(path)
    damaged = verify_storage(Storage(folder)).damaged
    assert damaged
    assert any(path.name.removesuffix(".crc32.npy") in text for text in damaged)
