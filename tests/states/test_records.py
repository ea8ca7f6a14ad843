"""The files that states and sweeps are known by: today's, older ones, and damaged ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from raycl.errors import InputError
from raycl.plan.training import ModelSpec
from raycl.states.mark import (
    CorpusOrigin,
    FileFacts,
    MergeOrigin,
    Metadata,
    StateMark,
    ValidationFacts,
    read_mark,
    remove_state,
    write_mark,
)
from raycl.states.tree_record import (
    MergeRecord,
    NodeRecord,
    find_tree_record,
    read_tree_record,
    write_tree_record,
)
from raycl.storage import Storage
from raycl.storage.record import checksum, sealed

NAME = "000000004-" + "a" * 32
MARK = f"states/{NAME}/state.json"
TREE = "sweeps/mine/tree.json"
STORED: dict[str, Any] = {
    "name": NAME,
    "step": 4,
    "stage": "german",
    "optimizer_steps": 4,
    "tokens": 512,
    "world_size": 2,
    "model": {"config": {"hidden_size": 32}, "pretrained": None, "initialization": "gpt-neox"},
    "metadata": {"corpora": {"new": {"folder": "corpora/new", "fingerprint": "f"}}},
    "validation": {"rows": 4, "micro_batch": 4, "precision": "float32"},
    "previous": None,
    "previous_step": 0,
    "seconds": 1.5,
    "created": "2026-01-01T00:00:00+00:00",
    "kept": True,
    "files": {"history.parquet": {"bytes": 10, "crc32": 7}},
}
"""A mark as it was written before marks had a format."""
NODES: list[dict[str, Any]] = [
    {"name": "a", "parent": None, "stage": "s", "steps": 4, "first_step": 0, "recipes": ["x", "y"]},
    {"name": "b", "parent": "a", "stage": "s", "steps": 2, "first_step": 4, "recipes": ["x"]},
]
"""A tree as it was written before trees had a format."""


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def test_a_mark_without_a_format_is_read(storage: Storage) -> None:
    storage.write_json(MARK, sealed(STORED))
    assert read_mark(storage, NAME) == StateMark(
        name=NAME,
        step=4,
        stage="german",
        optimizer_steps=4,
        tokens=512,
        world_size=2,
        model=ModelSpec({"hidden_size": 32}, None, "gpt-neox"),
        metadata=Metadata(corpora={"new": CorpusOrigin(folder="corpora/new", fingerprint="f")}),
        validation=ValidationFacts(rows=4, micro_batch=4, precision="float32"),
        previous=None,
        previous_step=0,
        seconds=1.5,
        created="2026-01-01T00:00:00+00:00",
        kept=True,
        files={"history.parquet": FileFacts(bytes=10, crc32=7)},
    )


@pytest.mark.parametrize("missing", [["validation"], ["created"], ["validation", "created"]])
def test_a_mark_without_a_checksum_and_later_fields_is_read(
    storage: Storage, missing: list[str]
) -> None:
    storage.write_json(MARK, {key: value for key, value in STORED.items() if key not in missing})
    mark = read_mark(storage, NAME)
    assert (mark.step, mark.merged) == (4, None)
    for field in missing:
        assert getattr(mark, field) is None


def test_a_merged_state_says_of_what(storage: Storage) -> None:
    origin = {"base": "a", "states": ["b", "c"], "density": 0.2, "scale": 1.0}
    storage.write_json(MARK, sealed({**STORED, "merged": origin}))
    merged = MergeOrigin(base="a", states=("b", "c"), density=0.2, scale=1.0)
    assert read_mark(storage, NAME).merged == merged


def test_what_is_written_again_says_the_same(storage: Storage) -> None:
    storage.write_json(MARK, sealed(STORED))
    write_mark(storage, NAME, read_mark(storage, NAME))
    written = storage.read_json(MARK)
    assert written.pop("crc32") == checksum({**STORED, "format": 4})
    assert written == {**STORED, "format": 4}


@pytest.mark.parametrize("missing", sorted(STORED.keys() - {"validation", "created"}))
def test_every_other_field_is_required(storage: Storage, missing: str) -> None:
    left = {key: value for key, value in STORED.items() if key != missing}
    storage.write_json(MARK, sealed(left))
    with pytest.raises(InputError, match=f"{missing}: Field required") as caught:
        read_mark(storage, NAME)
    assert "Remove this state's folder" in caught.value.remedy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["step"], "4"),
        (["step"], 4.5),
        (["kept"], 1),
        (["model", "initialization"], "zeros"),
        (["model", "layers"], 3),
        (["metadata"], {}),
        (["metadata", "corpora", "new", "folder"], None),
        (["files", "history.parquet"], [10, 7]),
        (["validation", "precision"], "float8"),
    ],
    ids=str,
)
def test_a_value_of_another_kind_is_named(storage: Storage, path: list[str], value: Any) -> None:
    content: Any = json.loads(json.dumps(STORED))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    storage.write_json(MARK, sealed(content))
    with pytest.raises(InputError, match="not the mark of a state") as caught:
        read_mark(storage, NAME)
    assert path[0] in caught.value.problem


def test_a_flipped_bit_in_a_mark_is_found(storage: Storage) -> None:
    storage.write_json(MARK, {**sealed(STORED), "optimizer_steps": 5})
    with pytest.raises(InputError, match=r"state\.json: it does not match its checksum"):
        read_mark(storage, NAME)


def test_a_removed_state_has_no_files(storage: Storage) -> None:
    storage.write_json(MARK, sealed(STORED))
    storage.write_bytes(f"states/{NAME}/shard.safetensors", b"w")
    remove_state(storage, NAME)
    assert storage.sizes("states") == {}
    with pytest.raises(FileNotFoundError):
        read_mark(storage, NAME)


def test_a_tree_that_is_a_bare_list_is_read(storage: Storage) -> None:
    storage.write_json(TREE, NODES)
    first, second = read_tree_record(storage, "mine").nodes
    assert (first.name, first.parent, first.recipes) == ("a", None, ("x", "y"))
    assert (second.first_step, second.steps, second.last_step) == (4, 2, 6)


def test_a_tree_is_written_in_format_4(storage: Storage) -> None:
    nodes = [NodeRecord(**{**node, "recipes": tuple(node["recipes"])}) for node in NODES]
    write_tree_record(storage, "mine", nodes)
    assert storage.read_json(TREE) == sealed({"format": 4, "sweep": "mine", "nodes": NODES})
    assert read_tree_record(storage, "mine").nodes == tuple(nodes)


def test_a_tree_lists_merges(storage: Storage) -> None:
    nodes = [NodeRecord(**{**node, "recipes": tuple(node["recipes"])}) for node in NODES]
    merge = MergeRecord(name="c", label="x, merged 50% with s", recipe="x")
    write_tree_record(storage, "mine", nodes, [merge])
    assert read_tree_record(storage, "mine").merges == (merge,)


def test_a_tree_of_format_3_has_no_merges(storage: Storage) -> None:
    storage.write_json(TREE, sealed({"format": 3, "sweep": "mine", "nodes": NODES}))
    assert read_tree_record(storage, "mine").merges == ()


def test_a_tree_of_format_2_names_no_sweep(storage: Storage) -> None:
    storage.write_json(TREE, sealed({"format": 2, "nodes": NODES}))
    assert len(read_tree_record(storage, "mine").nodes) == 2


def test_a_tree_in_the_folder_of_another_sweep(storage: Storage) -> None:
    nodes = [NodeRecord(**{**node, "recipes": tuple(node["recipes"])}) for node in NODES]
    write_tree_record(storage, "mine", nodes)
    storage.write_bytes("sweeps/yours/tree.json", storage.read_bytes(TREE))
    with pytest.raises(InputError, match=r"sweeps/yours/tree\.json: it is the tree .* 'mine'"):
        find_tree_record(storage, "yours")


@pytest.mark.parametrize(
    "content",
    [
        *(None, {}, [], {"nodes": NODES}, [None], [{"name": "a"}], [NODES]),
        *({"format": 2, "nodes": {}}, {"format": 2, "nodes": []}),
        [{**NODES[0], "recipes": []}],
        [{**NODES[0], "steps": -1}],
    ],
    ids=str,
)
def test_what_is_no_tree_is_refused(storage: Storage, content: Any) -> None:
    storage.write_json(TREE, content)
    with pytest.raises(InputError, match="not the tree of a sweep") as caught:
        read_tree_record(storage, "mine")
    assert "Run `raycl sweep`" in caught.value.remedy


def test_a_sweep_that_is_not_there_is_named(storage: Storage) -> None:
    storage.write_json(TREE, NODES)
    with pytest.raises(FileNotFoundError):
        read_tree_record(storage, "other")
    with pytest.raises(InputError, match=r"sweep 'other' in .*: not there\. Known sweeps: mine"):
        find_tree_record(storage, "other")
