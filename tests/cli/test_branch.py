"""`raycl branch`: what it says and records, and what the other commands then make of the branch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from raycl.cli.main import main
from raycl.recipe.proposals import read_proposals
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.states.tree_record import find_tree_record
from raycl.storage import Storage, layout
from raycl.sweep.leases import Leases
from raycl.sweep.results import write_all
from tests.helpers.branched_sweep import branched_recipe, prepared_storage, trained, trained_again

LABEL = "replay 50%, from new 3: replay 20%"
SET = ("--set", "new.replay=20%")


def said(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Storage:
    storage = prepared_storage(tmp_path_factory.mktemp("finished"))
    trained(storage, branched_recipe())
    return storage


@pytest.fixture
def storage(finished: Storage, tmp_path: Path) -> Storage:
    shutil.copytree(finished.url, tmp_path / "copy")
    return Storage(tmp_path / "copy")


def node(storage: Storage, label: str = "replay 50%") -> str:
    nodes = find_tree_record(storage, "small").nodes
    return next(entry.name for entry in reversed(nodes) if label in entry.recipes)


def test_a_branch_is_recorded_and_told(
    capsys: pytest.CaptureFixture[str], storage: Storage
) -> None:
    command = ("branch", node(storage)[10:20], *SET, "--storage", storage.url)
    code, out, err = said(capsys, *command)
    assert (code, err) == (0, "")
    (added,) = read_proposals(storage, "small")
    assert added.fields == {
        "new.replay": "50%",
        "new.changes": [{"from": "3 steps", "replay": "20%"}],
    }
    assert added.departure is not None
    assert (added.source, added.departure.recipe, added.departure.step) == ("hand", "replay 50%", 9)
    first, second, third = out.splitlines()
    assert first.startswith(f"{LABEL}: leaves the recipe 'replay 50%' after step 9, at the state")
    assert second == "It shares 9 of its 12 steps with that recipe; 3 are left to train for it"
    assert third == "`raycl sweep` with the recipe of 'small' trains it"

    code, out, err = said(capsys, *command)
    assert (code, out) == (0, f"The sweep 'small' has this recipe already: {LABEL}\n")
    assert len(read_proposals(storage, "small")) == 1


def test_a_sweep_that_trains_takes_the_branch_up(
    capsys: pytest.CaptureFixture[str], storage: Storage
) -> None:
    with Leases(storage) as leases:
        assert leases.take(node(storage))
        _, out, _ = said(capsys, "branch", "--label", "replay 50%", *SET, "--storage", storage.url)
    assert "Its sweep is running: it takes the branch up within a few seconds" in out


def test_the_stage_can_begin_anew(capsys: pytest.CaptureFixture[str], storage: Storage) -> None:
    _, out, _ = said(
        capsys, "branch", node(storage), *SET, "--at", "start", "--storage", storage.url
    )
    assert "replay 20%: leaves the recipe 'replay 50%' after step 6, where the stage new" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Name a node as `raycl status` shows it"),
        (("older 0–6",), "2 recipes go through this node. Name one with --label"),
        (("--label", "replay 50%", "--set", "seed=2"), "it belongs to all steps of a recipe"),
        (("--label", "replay 50%", "--set", "new.replay"), "Write --set german.replay=5%"),
        (("--label", "replay 51%"), "no recipe is called so"),
        (("nothing",), "no such node"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], finished: Storage, arguments: tuple[str, ...], message: str
) -> None:
    code, _, err = said(capsys, "branch", *arguments, *SET, "--storage", finished.url)
    assert code == 2
    assert message in " ".join(err.split())
    assert not finished.exists(layout.sweep_proposals("small"))


def test_a_branch_has_a_name_before_a_sweep_has_taken_it_up(
    capsys: pytest.CaptureFixture[str], storage: Storage
) -> None:
    place = ("--storage", storage.url)
    said(capsys, "branch", "--label", "replay 50%", *SET, *place)
    assert "(3 steps) of replay 50%, from new 3" in said(capsys, "status", *place)[1]
    for command in ("pause", "resume", "stop"):
        code, out, err = said(capsys, command, "--label", LABEL, *place)
        assert (code, err) == (0, ""), command
        assert LABEL in out
    code, out, err = said(capsys, "branch", "--label", LABEL, "--set", "new.replay=5%", *place)
    assert (code, err) == (0, "")
    assert f"leaves the recipe '{LABEL}'" in out
    code, _, err = said(capsys, "export", LABEL, "model", *place)
    assert code == 2
    assert "it is not finished" in err
    assert "Run `raycl sweep`" in " ".join(err.split())


def test_a_branch_that_was_recorded_and_not_described_is_described_by_the_same_command(
    capsys: pytest.CaptureFixture[str], storage: Storage
) -> None:
    tree = storage.read_bytes(layout.sweep_tree("small"))
    command = ("branch", "--label", "replay 50%", *SET, "--storage", storage.url)
    said(capsys, *command)
    described = find_tree_record(storage, "small")
    storage.write_bytes(layout.sweep_tree("small"), tree)  # as if the command had been killed
    assert "has this recipe already" in said(capsys, *command)[1]
    assert find_tree_record(storage, "small") == described


def test_other_commands_work_with_a_branch(
    capsys: pytest.CaptureFixture[str], storage: Storage, tmp_path: Path
) -> None:
    place = ("--storage", storage.url)
    said(capsys, "branch", "--label", "replay 50%", *SET, *place)
    trained_again(storage)
    write_all(plan_sweeps((read_recipe(storage, "small"),), storage), storage)
    code, out, err = said(capsys, "status", *place)
    assert (code, err) == (0, "")
    code, out, err = said(capsys, "report", *place)
    assert (code, err) == (0, "")
    assert LABEL in Path(out.split("Report: ")[1].strip()).read_text()
    new = tmp_path / "new.yaml"
    new.write_text("stages: [{name: third, mixture: older, steps: 4}]")
    code, out, err = said(capsys, "extend", *place, "--label", LABEL, "--with", new)
    assert code == 0, err
    assert "changes:" in out
    code, out, err = said(capsys, "export", LABEL, tmp_path / "model", "--no-check", *place)
    assert code == 0, err
    card = (tmp_path / "model" / "README.md").read_text()
    assert "carried on" in card
