"""Which states may hold less, and that the results stay what they are to the digit."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.recipe.sweep_plan import plan_sweeps
from raycl.states.inventory import StateFacts
from raycl.states.mark import FileFacts, MergeOrigin, read_mark
from raycl.states.reducible import Less, freed_bytes, reducible
from raycl.states.references import SweepNode, Uses
from tests.helpers.finished_sweep import definition, finished_sweep, train_plan
from tests.helpers.state_marks import state_mark

NOW, DAY = datetime(2026, 1, 31, tzinfo=UTC), timedelta(days=1)
TRUNK, LEAF, OTHER = (f"{step:09d}-{place:040x}" for place, step in enumerate((4, 8, 8)))


def state(name: str, holds: str = "all", days: int = 2, unlisted: int = 0) -> StateFacts:
    files = {"a.safetensors": FileFacts(bytes=30, crc32=0)}
    mark = state_mark(name, holds=holds, files=files)
    return StateFacts(name, 40, NOW - days * DAY, mark, "", unlisted)


NODES = (
    SweepNode("sweep", TRUNK, ("a", "b")),
    SweepNode("sweep", LEAF, ("a",), parent=TRUNK),
    SweepNode("sweep", OTHER, ("b",), parent=TRUNK),
)


def offered(states: list[StateFacts], to: Less = "weights", keep: tuple[str, ...] = ()) -> set[str]:
    found = reducible(states, Uses(NODES, frozenset()), to, (NOW, DAY), keep)
    return {one.name for one in found}


def test_a_trunk_stays_whole_while_a_node_after_it_is_left() -> None:
    assert offered([state(TRUNK), state(LEAF)]) == {LEAF}
    assert offered([state(TRUNK), state(LEAF), state(OTHER)]) == {TRUNK, LEAF, OTHER}


def test_what_is_young_or_asked_for_stays() -> None:
    states = [state(TRUNK, days=0), state(LEAF), state(OTHER)]
    assert offered(states, keep=(OTHER,)) == {LEAF}


def test_what_holds_no_more_is_offered_only_to_be_tidied() -> None:
    states = [state(TRUNK, "weights"), state(LEAF, "results"), state(OTHER, "weights", unlisted=5)]
    assert offered(states) == {OTHER}
    assert offered(states, "results") == {TRUNK, OTHER}


def test_nothing_is_offered_while_a_record_is_damaged() -> None:
    with pytest.raises(InputError, match="nothing may go"):
        reducible([], Uses(NODES, frozenset(), ("it is damaged",)), "weights", (NOW, DAY))


def merge(place: int, *origins: str, days: int = 2) -> StateFacts:
    origin = MergeOrigin(base=origins[0], states=origins[1:], method="linear", weight=0.5)
    mark = state_mark(f"{0:09d}-{place:040x}", merged=origin)
    return StateFacts(mark.name, 40, NOW - days * DAY, mark)


def test_measured_merges_hold_less_but_for_what_is_asked_for_or_made_of_it() -> None:
    lost, best = merge(1, TRUNK, LEAF), merge(2, TRUNK, OTHER)
    inner, outer = merge(3, TRUNK, LEAF), merge(4, LEAF, merge(3, LEAF).name)
    of_no_sweep, young = merge(5, LEAF, OTHER), merge(6, LEAF, OTHER, days=0)
    not_measured = merge(7, LEAF, OTHER)
    merges = [lost, best, inner, outer, of_no_sweep, young, not_measured]
    named = [SweepNode("sweep", m.name, ("m",), made_of=m.merged_from) for m in (lost, best, outer)]
    uses = Uses((*NODES, *named), frozenset(m.name for m in merges if m is not not_measured))
    states = [state(TRUNK), state(LEAF), state(OTHER), *merges]

    def going(to: Less) -> set[str]:
        keep = (best.name, outer.name)
        return {one.name for one in reducible(states, uses, to, (NOW, DAY), keep)}

    assert going("weights").isdisjoint(one.name for one in merges)
    assert going("results") == {lost.name, of_no_sweep.name}


def test_bytes_that_go() -> None:
    assert freed_bytes(state(LEAF), "weights") == 20
    assert freed_bytes(state(LEAF), "results") == 30
    assert freed_bytes(state(LEAF, "weights", unlisted=7), "weights") == 7


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0


def test_results_are_the_same_after_all_but_the_best_was_pruned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = finished_sweep(tmp_path / "storage")
    run("report", "--storage", storage.url)
    table = tmp_path / "storage" / "sweeps" / "small" / "results.csv"
    before = table.read_bytes()
    size = sum(storage.sizes("states").values())
    for to in ("weights", "results"):
        command = ["prune", "--storage", storage.url, "--older-than", "0s", "--to", to]
        run(*command)
        assert sum(storage.sizes("states").values()) == size  # nothing goes without --yes
        run(*command, "--yes")
        assert sum(storage.sizes("states").values()) < size
        size = sum(storage.sizes("states").values())
        run(*command, "--yes")
        assert "Nothing to leave out" in capsys.readouterr().out
    run("report", "--storage", storage.url)
    assert table.read_bytes() == before
    names = storage.list("states")
    assert [read_mark(storage, n).holds for n in names].count("weights") == 1  # the best
    assert [read_mark(storage, n).holds for n in names].count("results") == len(names) - 1
    capsys.readouterr()
    run("states", "--storage", storage.url, "--json")
    kinds = {line["kind"] for line in json.loads(capsys.readouterr().out)}
    assert kinds == {"weights only", "results only"}
    assert plan_sweeps((definition(),), storage).is_trained
    files = storage.sizes("states")
    train_plan(storage)  # nothing is trained again
    assert storage.sizes("states") == files
