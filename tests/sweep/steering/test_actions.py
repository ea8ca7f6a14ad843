"""What a request is answered, and which nodes a person can mean."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

from raycl.cli.main import main
from raycl.errors import InputError
from raycl.states.tree_record import NodeRecord, write_tree_record
from raycl.storage import Storage, layout
from raycl.sweep.leases import Leases
from raycl.sweep.steering.actions import Situation, answer
from raycl.sweep.steering.names import named_nodes, short_name
from raycl.sweep.steering.record import (
    Action,
    Failure,
    Request,
    find_failure,
    find_request,
    write_failure,
    write_request,
)

ACTIONS: tuple[Action, ...] = ("pause", "stop", "resume", "retry")
AT = datetime(2026, 5, 4, 12, tzinfo=UTC)
NODE = "000000012-" + "3f2a9c11" * 5


def request(action: Action) -> Request:
    return Request(node=NODE, action=action, by="anna@laptop", at=AT)


FAILURE = Failure(node=NODE, reason="it broke", at=AT)


def test_nothing_is_asked_of_a_finished_node() -> None:
    for action in ACTIONS:
        made = answer(action, NODE, Situation(finished=True, request=request("pause")))
        assert not made.is_new
        assert made.text == "it is finished; nothing is left to be done or undone"


@pytest.mark.parametrize(
    ("action", "situation", "is_new", "text"),
    [
        ("pause", Situation(training=True, live=True), True, "ten seconds, and after the step"),
        ("pause", Situation(live=True), True, "It is not started from now on"),
        ("pause", Situation(), True, "No sweep runs here. The next one trains all the rest and"),
        ("stop", Situation(), True, "No sweep runs here. The next one leaves out it and what"),
        ("stop", Situation(live=True), True, "its sweep ends without it and what is below it"),
        ("pause", Situation(request=request("stop")), True, "until `raycl resume 3f2a9c113f2a`"),
        ("pause", Situation(request=request("pause")), False, "paused already by anna@laptop"),
        ("resume", Situation(request=request("stop"), live=True), True, "it was stopped by anna"),
        ("resume", Situation(request=request("pause")), True, "the next `raycl sweep` trains it"),
        ("resume", Situation(request=request("resume")), False, "asked already by anna"),
        ("resume", Situation(training=True, live=True), False, "it is being trained already"),
        ("resume", Situation(live=True), True, "If early stopping has, it is trained now"),
        ("resume", Situation(failure=FAILURE), False, "`raycl retry 3f2a9c113f2a` has it tried"),
        ("retry", Situation(failure=FAILURE, live=True), True, "it broke. A running sweep tries"),
        ("retry", Situation(failure=FAILURE), True, "the next `raycl sweep` tries every failed"),
        ("retry", Situation(), False, "no failure of it is recorded"),
        ("retry", Situation(request=request("stop")), False, "`raycl resume 3f2a9c113f2a` lets"),
    ],
)
def test_an_answer_says_what_happens_and_when(
    action: Action, situation: Situation, is_new: bool, text: str
) -> None:
    made = answer(action, NODE, situation)
    assert text in made.text
    assert made.is_new is is_new


def test_every_situation_has_an_answer() -> None:
    requests = [None, *map(request, ACTIONS)]
    for action, training, live, asked, failure in product(
        ACTIONS, (False, True), (False, True), requests, (None, FAILURE)
    ):
        made = answer(action, NODE, Situation(False, training, live, asked, failure))
        assert not made.text.endswith(".")
        assert "None" not in made.text


ROOT, NONE, HALF = (
    "000000006-" + "1a2b3c4d" * 5,
    "000000012-" + "5e6f7081" * 5,
    "000000012-" + "92a3b4c5" * 5,
)
NODES = [
    NodeRecord(name=name, parent=parent, stage=stage, steps=6, first_step=first, recipes=recipes)
    for name, parent, stage, first, recipes in (
        (ROOT, None, "older", 0, ("replay 0%", "replay 50%")),
        (NONE, ROOT, "new", 6, ("replay 0%",)),
        (HALF, ROOT, "new", 6, ("replay 50%",)),
    )
]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A sweep of two recipes with a stage that they share and one of each; all is to be trained."""
    storage = Storage(tmp_path)
    write_tree_record(storage, "small", NODES)
    return storage


def run(words: str, storage: Storage, capsys: pytest.CaptureFixture[str], node: str = "") -> str:
    """What the command prints."""
    capsys.readouterr()
    named = [node] if node else []
    with pytest.raises(SystemExit) as ended:
        main([*words.split("|"), *named, "--storage", storage.url])
    assert ended.value.code == 0
    return capsys.readouterr().out


def asked(storage: Storage, node: str) -> str | None:
    found = find_request(storage, node)
    return None if found is None else found.action


@pytest.mark.parametrize("way", ["name", "begin", "hash", "steps", "title", "label", "both"])
def test_a_node_is_named_in_many_ways(storage: Storage, way: str) -> None:
    reference, label = {
        "name": (HALF, None),
        "begin": (HALF[:20], None),
        "hash": (short_name(HALF), None),
        "steps": ("older 0-6", None),
        "title": ("new 6–12 (replay 50%)", None),
        "label": (None, "replay 50%"),
        "both": ("new 6–12", "replay 50%"),
    }[way]
    found = [node.name for node in named_nodes(storage, reference, None, label)]
    assert found == {"steps": [ROOT], "label": [ROOT, HALF]}.get(way, [HALF])


@pytest.mark.parametrize(
    ("reference", "label", "message"),
    [
        (
            "new 6–12",
            None,
            r"2 nodes are meant\. Name one: [0-9a-f]{12} is new 6–12 \(replay 0%\);",
        ),
        ("0000", None, r"3 nodes are meant\. Name one: [0-9a-f]{12} is older 0–6 \(2 recipes\);"),
        ("german", None, r"no such node\. Nodes: [0-9a-f]{12} is older 0–6"),
        ("new 6–13", None, "no such node"),
        (None, "replay 5%", "no recipe is called so. Recipes: replay 0%; replay 50%"),
    ],
)
def test_who_is_not_clear_is_shown_what_to_name(
    storage: Storage, reference: str | None, label: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        named_nodes(storage, reference, None, label)


def test_a_node_of_two_sweeps_is_one_and_a_label_of_two_needs_a_sweep(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tree_record(storage, "other", NODES)
    (node,) = named_nodes(storage, NONE)
    assert node.sweeps == ("other", "small")
    said = run("pause", storage, capsys, NONE)
    assert "It holds for the sweeps other, small, which share it." in said
    fields = {"name": "000000012-" + "a" * 40, "parent": None}
    write_tree_record(storage, "other", [NODES[1].model_copy(update=fields)])
    with pytest.raises(InputError, match="2 sweeps have a recipe of this label"):
        named_nodes(storage, None, None, "replay 0%")


def test_a_node_is_paused_and_resumed_and_status_shows_it(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    said = run("pause|--note|GPUs are needed", storage, capsys, short_name(HALF))
    assert said.startswith("new 6–12 (replay 50%): No sweep runs here. The next one trains")
    found = find_request(storage, HALF)
    assert found is not None
    assert (found.action, found.note) == ("pause", "GPUs are needed")
    assert "@" in found.by
    line = run("status", storage, capsys).splitlines()[-1]
    assert line.startswith(
        f"  {short_name(HALF)}  to train: new 6–12 (6 steps) of replay 50%; paused"
    )
    assert re.search(r"by \S+@\S+ at \d\d:\d\d \(GPUs are needed\), until `raycl resume ", line)
    run("resume", storage, capsys, short_name(HALF))
    assert asked(storage, HALF) == "resume"
    assert "; wanted by " in run("status", storage, capsys).splitlines()[-1]


@pytest.mark.parametrize("note", ["n" * 201, "two\nlines", "\x1b[31mred"])
def test_a_note_is_a_line_that_everybody_can_read(
    storage: Storage, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pause", short_name(HALF), "--note", note, "--storage", storage.url])
    assert ended.value.code == 2
    assert "is no line of at most 200 characters" in capsys.readouterr().err
    assert find_request(storage, HALF) is None


def test_a_failed_node_is_shown_and_its_failure_goes_with_a_retry(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    write_failure(storage, HALF, "the loss is NaN")
    assert run("status", storage, capsys).splitlines()[-1].endswith(": the loss is NaN")
    assert "the loss is NaN. No sweep runs here" in run("retry|--all", storage, capsys)
    assert find_failure(storage, HALF) is None
    assert (asked(storage, HALF), asked(storage, NONE)) == ("retry", None)
    assert run("retry|--all", storage, capsys).startswith("Nothing to do")


def test_a_node_that_a_sweep_trains_leaves_soon(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    with Leases(storage) as leases:
        assert "It is not started from now on" in run("stop", storage, capsys, HALF)
        assert leases.take(HALF)
        assert "it saves its state and leaves" in run("pause", storage, capsys, HALF)


def test_a_recipe_is_stopped_at_what_it_alone_needs(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    run("stop|--label|replay 50%", storage, capsys)
    assert (asked(storage, HALF), asked(storage, NONE)) == ("stop", None)
    run("resume|--label|replay 50%", storage, capsys)
    assert asked(storage, HALF) == "resume"


def test_a_whole_sweep_is_paused_and_resumed(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    storage.write_json(layout.state_mark(ROOT), {})  # it is finished
    write_request(storage, NONE, "stop")
    run("pause|--all", storage, capsys)
    assert {asked(storage, NONE), asked(storage, HALF)} == {"pause"}
    assert asked(storage, ROOT) is None
    run("resume|--all", storage, capsys)
    assert {asked(storage, NONE), asked(storage, HALF)} == {"resume"}


def test_a_record_of_another_node_or_a_damaged_one_is_named(
    storage: Storage, capsys: pytest.CaptureFixture[str]
) -> None:
    write_request(storage, NONE, "pause")
    storage.write_bytes(layout.steering(HALF), storage.read_bytes(layout.steering(NONE)))
    with pytest.raises(SystemExit) as ended:
        main(["resume", HALF, "--storage", storage.url])
    assert ended.value.code == 2
    assert f"it is about the node {NONE}. Remove the file" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["status", "--storage", storage.url])
    assert ended.value.code == 2


@pytest.mark.parametrize("words", [[], ["--all", "--label", "replay 50%"], ["x", "--all"]])
def test_a_command_needs_one_way_to_name_nodes(
    storage: Storage, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pause", *words, "--storage", storage.url])
    assert ended.value.code == 2
    assert "Leave out one" in (said := capsys.readouterr().err) or "Name a node" in said
