"""`raycl status`: what is finished, what is saved of a node, and what is trained right now."""

from __future__ import annotations

from pathlib import Path

import pytest

from raycl.cli.main import main
from raycl.recipe.proposals import add_proposal
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.states.mark import read_mark, remove_state, write_mark
from raycl.storage import Storage, layout
from raycl.storage.machine import this_machine
from raycl.storage.record import record_bytes
from raycl.sweep.in_training import in_training
from raycl.sweep.lease_records import Heartbeat
from raycl.sweep.leases import Leases
from tests.helpers.finished_sweep import definition, finished_sweep

END = "replay 50%"


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A sweep whose last node of 6 steps is to be trained."""
    storage = finished_sweep(tmp_path)
    remove_state(storage, chain_name(storage, 12))
    return storage


def chain_name(storage: Storage, step: int) -> str:
    return plan_sweeps((definition(),), storage).sweeps[0].trainings[END].chain.name(step)


def status(storage: Storage, capsys: pytest.CaptureFixture[str]) -> list[str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["status", "--storage", storage.url])
    assert ended.value.code == 0
    return capsys.readouterr().out.splitlines()


def test_a_node_in_training_is_told_before_it_saves(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    first = "small: 2 of 3 nodes finished, 12 of 18 steps"
    short = chain_name(storage, 12).rpartition("-")[2][:12]
    assert status(storage, capsys) == [first, f"  {short}  to train: new 6–12 (6 steps) of {END}"]
    with Leases(storage) as leases:
        assert leases.take(chain_name(storage, 12))
        assert status(storage, capsys) == [
            first,
            f"  {short}  training, not yet saved: new 6–12 (6 steps) of {END}",
        ]
        save(storage, 10)
        assert status(storage, capsys) == [
            "small: 2 of 3 nodes finished, 16 of 18 steps",
            f"  {short}  training: new 6–12 (4 of 6 steps saved) of {END}",
        ]
    expected = f"  {short}  to train: new 6–12 (4 of 6 steps saved) of {END}"
    assert status(storage, capsys)[1] == expected


def save(storage: Storage, step: int) -> None:
    """A mark of an intermediate state on the chain."""
    name = chain_name(storage, step)
    mark = read_mark(storage, chain_name(storage, 6))
    fields = {"name": name, "step": step, "previous": mark.name, "previous_step": 6, "kept": False}
    write_mark(storage, name, mark.model_copy(update=fields))


def test_a_sweep_that_died_here_trains_nothing(storage: Storage) -> None:
    node = chain_name(storage, 12)
    leases = Leases(storage)
    leases.beat()
    assert leases.take(node)
    assert in_training(storage, [node, "another"]) == {node}
    beat = Heartbeat(beat=1, machine=this_machine(), process=2**22 + 1)  # above any process' number
    storage.write_bytes(layout.lease_holder(leases.holder), record_bytes(beat))
    assert in_training(storage, [node]) == frozenset()
    leases.beat()
    storage.write_bytes(layout.node_lease(node), b"{")
    assert in_training(storage, [node]) == frozenset()


def test_what_was_added_and_cannot_be_read_is_named(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be shown is shown; every command that needs the recipe refuses it as well."""
    first = "small: 2 of 3 nodes finished, 12 of 18 steps"
    add_proposal(storage, "small", {"new.replay": "25%"})
    damaged, unfit = (
        layout.sweep_proposal("small", add_proposal(storage, "small", fields).number)
        for fields in ({"new.replay": "5%"}, {"new.nothing": "5%"})
    )
    storage.write_bytes(damaged, b"{")
    with pytest.raises(SystemExit) as ended:
        main(["status", "--storage", storage.url])
    out, err = capsys.readouterr()
    assert ended.value.code == 2
    assert out.splitlines()[0] == first
    told = " ".join(err.split())
    assert told.count("damaged:") == 2
    assert f"{storage.full_path(damaged)}: not valid JSON" in told
    assert f"{unfit}: it does not fit the recipe" in told
    assert told.lower().count("remove the file") == 2
    for path in (damaged, unfit):
        storage.remove(path)
    assert status(storage, capsys)[0] == first
