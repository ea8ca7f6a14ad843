"""What may be removed: nothing that is referred to, everything else; and its removal."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raycl.cli.main import main
from raycl.recipe.definition import corpus_facts, definition_of, make_tree, trainings
from raycl.recipe.stored_chains import stored_chains
from raycl.states.inventory import StateFacts, stored_states
from raycl.states.mark import MergeOrigin, remove_state, write_mark
from raycl.states.prune import removable, remove
from raycl.states.references import SweepNode, Uses, find_uses
from raycl.storage import Storage, layout
from raycl.sweep.description import write_description
from tests.helpers.fakes import make_corpus
from tests.helpers.recipe_data import recipe_data
from tests.helpers.state_marks import state_mark

NOW = datetime(2026, 1, 31, tzinfo=UTC)
DAY = timedelta(days=1)


def name(step: int, chain: int = 0) -> str:
    return f"{step:09d}-{chain:032x}"


def state(  # noqa: PLR0913 (each test names the two or three facts that it is about)
    step: int,
    chain: int = 0,
    age: timedelta | None = 2 * DAY,
    complete: bool = True,
    kept: bool = True,
    previous: str | None = None,
    merged: tuple[str, ...] = (),
) -> StateFacts:
    fields: dict[str, Any] = {"kept": kept, "previous": previous}
    if merged:
        origin = MergeOrigin(base=merged[0], states=merged[1:], density=0.2, scale=1.0)
        fields["merged"] = origin
    mark = state_mark(name(step, chain), **fields)
    written = None if age is None else NOW - age
    return StateFacts(name(step, chain), 7, written, mark if complete else None)


def going(states: list[StateFacts], *nodes: SweepNode, evaluated: tuple[str, ...] = ()) -> set[str]:
    uses = Uses(nodes, frozenset(evaluated))
    return {removal.state.name for removal in removable(states, uses, NOW, DAY)}


def node(end: str, *inside: str, **fields: Any) -> SweepNode:
    return SweepNode("sweep", end, ("recipe",), frozenset(inside), **fields)


def test_ends_stay_and_intermediates_of_finished_nodes_go() -> None:
    states = [state(2, kept=False), state(3), state(4, kept=False), state(6)]
    finished = node(name(6), name(2), name(3), name(4))
    assert going(states, finished) == {name(2), name(4)}  # 3 was made to stay


def test_an_unfinished_node_keeps_its_deepest_states() -> None:
    states = [state(step, kept=False) for step in (2, 4, 6)] + [state(7, complete=False)]
    unfinished = node(name(8), *(name(step) for step in (2, 4, 6, 7)))
    assert going(states, unfinished) == {name(2), name(7)}
    assert going(states, node(name(8), *unfinished.inside, keep_last=1)) == {
        name(2),
        name(4),
        name(7),
    }
    # The same chain in a finished node of another sweep takes nothing from this one.
    assert going(states, unfinished, node(name(6), name(2), name(4))) == {name(2), name(7)}


def test_a_left_over_at_the_place_of_an_end_goes_when_old() -> None:
    assert going([state(8, complete=False)], node(name(8))) == {name(8)}
    assert not going([state(8, complete=False, age=DAY / 2)], node(name(8)))


def test_what_cannot_be_told_from_a_chain_stays() -> None:
    states = [state(2, kept=False), state(4, complete=False), state(8)]
    assert not going(states, node(name(8), name(2), name(4), certain=False))


def test_young_states_and_those_of_unknown_or_future_age_stay() -> None:
    ages = [timedelta(0), DAY, None, -DAY]
    assert not going([state(step, age=age) for step, age in enumerate(ages, 1)])
    assert going([state(1, age=DAY * 1.01)]) == {name(1)}


def test_a_history_goes_on_from_states_that_no_sweep_names_any_more() -> None:
    states = [state(2), state(4, previous=name(2)), state(6, previous=name(4)), state(3, 1)]
    assert going(states, node(name(6))) == {name(3, 1)}


def test_merged_states_go_with_their_origins_only() -> None:
    states = [
        state(2),
        state(4),
        state(0, 1, merged=(name(2), name(4))),
        state(0, 2, merged=(name(2), name(0, 1))),
    ]
    assert not going(states, node(name(4)))
    assert going(states) == {s.name for s in states}
    assert not going(states, evaluated=(name(0, 2),))
    assert going(states, evaluated=(name(4),)) == set()


STATES = st.integers(0, 5).flatmap(
    lambda step: st.builds(
        state,
        step=st.just(step),
        chain=st.integers(0, 1),
        age=st.sampled_from([None, timedelta(0), 2 * DAY, 3 * DAY, 4 * DAY]),
        complete=st.booleans(),
        kept=st.booleans(),
        previous=st.none() | st.builds(name, st.integers(0, max(0, step - 1)), st.integers(0, 1)),
        merged=st.just(())
        | st.lists(
            st.builds(name, st.integers(1, 5), st.integers(0, 1)), min_size=2, max_size=3
        ).map(tuple)
        if step == 0
        else st.just(()),
    )
)
NAMES = st.builds(name, st.integers(0, 5), st.integers(0, 1))
NODES = st.builds(
    lambda end, inside, keep_last, certain: node(
        end, *inside, keep_last=keep_last, certain=certain
    ),
    NAMES,
    st.sets(NAMES),
    st.integers(1, 3),
    st.booleans(),
)


@settings(deadline=None, max_examples=300)  # other tests may load the machine
@given(
    st.lists(STATES, unique_by=lambda s: s.name),
    st.lists(NODES, max_size=4),
    st.sets(NAMES, max_size=2),
)
def test_nothing_referred_to_is_ever_removed(
    states: list[StateFacts], nodes: list[SweepNode], evaluated: set[str]
) -> None:
    removals = removable(states, Uses(tuple(nodes), frozenset(evaluated)), NOW, DAY)
    order = [removal.state.name for removal in removals]
    gone, complete = set(order), {s.name for s in states if s.complete}
    assert not gone & evaluated
    for found in nodes:
        assert not (found.name in complete and found.name in gone)
        assert found.certain or not gone & found.inside
        deepest = sorted(complete & found.inside)[-found.keep_last :]
        assert found.name in complete or not gone & set(deepest)
    for one in states:
        needs = set(one.needs)
        if one.name not in gone:
            assert not gone & needs
        else:
            assert one.written is not None
            assert NOW - one.written > DAY
            assert all(order.index(n) > order.index(one.name) for n in gone & needs)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """Two finished states of a sweep, an old one of none, and an old left-over."""
    storage = Storage(tmp_path)
    for step, chain in ((4, 0), (8, 0), (12, 1)):
        write(storage, name(step, chain), previous=name(4) if step == 8 else None)
    storage.write_bytes(f"states/{name(9)}/shard.safetensors", b"half")
    storage.write_bytes("states/notes/mine.txt", b"nobody's business")
    nodes = [
        {
            "name": name(4),
            "parent": None,
            "stage": "s",
            "steps": 4,
            "first_step": 0,
            "recipes": ["a", "b"],
        },
        {
            "name": name(8),
            "parent": name(4),
            "stage": "s",
            "steps": 4,
            "first_step": 4,
            "recipes": ["a"],
        },
    ]
    storage.write_json("sweeps/mine/tree.json", nodes)
    return storage


def write(storage: Storage, state: str, **fields: Any) -> None:
    storage.write_bytes(f"states/{state}/shard.safetensors", b"w" * 1000)
    step = int(state[:9])
    facts = {"tokens": step * 10, "seconds": 2.0, "previous_step": 4 if step == 8 else 0}
    created = "2026-01-01T00:00:00+00:00"
    write_mark(storage, state, state_mark(state, **({"created": created} | facts | fields)))


def uses_of(storage: Storage, found: list[StateFacts]) -> Uses:
    return find_uses(storage, found, stored_chains(storage))


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(ended.value.code or 0), captured.out + captured.err


def test_the_command_shows_and_removes_only_when_told(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path(storage.url).rglob("*"))
    code, out = command(capsys, "prune", "--storage", storage.url, "--older-than", "0s")
    assert code == 0
    assert name(12, 1) in out
    assert "of no stored sweep" in out
    assert "left over by a killed writer" in out
    assert "2 of 4 states" in out
    assert sorted(Path(storage.url).rglob("*")) == before
    code, out = command(capsys, "prune", "--storage", storage.url, "--older-than", "0s", "--yes")
    assert (code, "Removed 2 states" in out) == (0, True), out
    assert storage.list("states") == [name(4), name(8), "notes"]
    code, out = command(capsys, "prune", "--storage", storage.url, "--older-than", "0s", "--yes")
    assert "Nothing to remove" in out
    code, out = command(capsys, "prune", "--storage", storage.url, "--older-than", "soon")
    assert (code, "--older-than 'soon'" in out) == (2, True)


def test_a_young_left_over_stays_by_default(storage: Storage) -> None:
    found = stored_states(storage)
    going = removable(found, uses_of(storage, found), datetime.now(UTC), DAY)
    assert [removal.state.name for removal in going] == [name(12, 1)]


def test_chains_are_made_again_from_the_stored_recipe(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    for corpus in ("old", "new"):
        make_corpus(storage, corpus)
    recipe = recipe_data(
        execution={"keep_last": 1},
        stages=[
            {"name": "old", "steps": 20, "schedule": {"kind": "constant", "max_lr": 1e-3}},
            {"name": "new", "steps": 20, "schedule": {"kind": "constant", "max_lr": 1e-3}},
        ],
    )
    definition = definition_of(recipe, "small.yaml")
    facts = corpus_facts(definition, storage)
    write_description(definition, storage, make_tree(definition, facts))
    chain = trainings(definition, facts)["small"].chain
    for step in (5, 20, 25, 30):
        write(storage, chain.name(step), kept=step == 20)
    write(storage, name(25, 1), kept=False)
    found = stored_states(storage)
    uses = uses_of(storage, found)
    assert {n.name: n.inside for n in uses.nodes} == {
        chain.name(20): {chain.name(5)},
        chain.name(40): {chain.name(25), chain.name(30)},
    }
    assert all(node.certain and node.keep_last == 1 for node in uses.nodes)
    going = removable(found, uses, datetime.now(UTC), DAY)
    reasons = {removal.state.name: removal.reason for removal in going}
    assert set(reasons) == {chain.name(5), chain.name(25), name(25, 1)}
    assert reasons[name(25, 1)] == "of no stored sweep"
    assert reasons[chain.name(5)].startswith("intermediate")
    storage.remove_folder("corpora/new")  # so the second node's names cannot be made again
    uses = uses_of(storage, found)
    assert [node.certain for node in uses.nodes] == [True, False]
    going = removable(found, uses, datetime.now(UTC), DAY)
    assert [removal.state.name for removal in going] == [chain.name(5)]


def test_an_interrupted_removal_is_finished_by_the_next(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan() -> list[Any]:
        found = stored_states(storage)
        return removable(
            found,
            uses_of(storage, found),
            datetime.now(UTC),
            timedelta(0),
        )

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    first = plan()
    with monkeypatch.context() as patch:
        patch.setattr(Storage, "remove_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            remove(storage, first)
    assert storage.list("states") == [name(4), name(8), name(9), name(12, 1), "notes"]
    for step in (8, 9):
        storage.write_bytes(layout.live_node(name(step)), b"its log")
    assert remove(storage, plan()) > 0
    assert storage.list("states") == [name(4), name(8), "notes"]
    assert storage.list(layout.LIVE) == [f"{name(8)}.json"]  # a log goes with its state


def test_a_mark_goes_before_its_files(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Storage, "remove_folder", killed)
    with pytest.raises(KeyboardInterrupt):
        remove_state(storage, name(12, 1))
    left = next(s for s in stored_states(storage) if s.name == name(12, 1))
    assert (left.kind, left.bytes) == ("left-over", 1000)


def test_what_has_changed_meanwhile_is_left(storage: Storage) -> None:
    found = stored_states(storage)
    going = removable(found, uses_of(storage, found), datetime.now(UTC), timedelta(0))
    write(storage, name(12, 1), kept=True, stage="asked to stay")
    storage.write_bytes(f"states/{name(9)}/shard.safetensors", b"being written anew")
    assert remove(storage, going) == 0
    assert name(12, 1) in storage.list("states")
    assert name(9) in storage.list("states")


class Counted(Storage):
    """Counts requests by kind."""

    requests: list[str]

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.requests = []

    def exists(self, path: str) -> bool:
        self.requests.append(f"exists {path}")
        return super().exists(path)

    def read_bytes(self, path: str) -> bytes:
        self.requests.append(f"read {path}")
        return super().read_bytes(path)

    def list(self, path: str = "") -> list[str]:
        self.requests.append(f"list {path}")
        return super().list(path)

    def everything_below(self, path: str) -> Any:
        self.requests.append(f"list {path}")
        return super().everything_below(path)


def test_requests_are_three_listings_and_one_read_each(storage: Storage) -> None:
    from raycl.cli.storage import state_lines

    for other in (name(12, 1), name(9)):
        storage.remove_folder(f"states/{other}")
    counted = Counted(storage.url)
    assert len(state_lines(counted)[0]) == 2
    assert sorted(counted.requests) == sorted(
        ["list states", "list sweeps", "list evaluations", "read sweeps/mine/tree.json"]
        + [f"read states/{name(step)}/state.json" for step in (4, 8)]
    )


def test_the_listing(storage: Storage, capsys: pytest.CaptureFixture[str]) -> None:
    storage.write_json(f"evaluations/{name(8)}/losses.json", [])
    code, out = command(capsys, "states", "--storage", storage.url, "--json")
    assert code == 0
    lines = {line["name"]: line for line in json.loads(out)}
    assert list(lines) == sorted([name(4), name(8), name(12, 1), name(9)])
    first, second = lines[name(4)], lines[name(8)]
    assert first["sweeps"] == {"mine": ["a", "b"]}
    assert first["needed_by"] == [name(8)]
    assert second["sweeps"] == {"mine": ["a"]}
    assert (second["steps"], second["tokens"], second["seconds"]) == (4, 40, 2.0)
    assert second["evaluated"]
    assert not first["evaluated"]
    assert lines[name(9)]["kind"] == "left-over"
    assert lines[name(9)]["bytes"] == 4
    assert lines[name(12, 1)]["sweeps"] == {}
    code, out = command(capsys, "states", "--storage", storage.url)
    assert code == 0
    for words in (name(8), "left-over", "mine: a", "nothing", "4 states"):
        assert words in out
