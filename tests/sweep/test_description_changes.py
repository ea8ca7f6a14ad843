"""The description of a sweep while several processes change it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raycl.plan.tree import Tree
from raycl.states.tree_record import MergeRecord, read_tree_record, write_tree_record
from raycl.storage import Storage
from raycl.sweep import description
from tests.helpers import fakes


def _tree(*names: str) -> Tree:
    return fakes.make_tree([(name, None, 1) for name in names])


def test_what_two_processes_add_at_once_is_all_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else `raycl prune` would offer what one of them trains."""
    storage = Storage(str(tmp_path))
    description.add_to_description(storage, "s", _tree("a"))
    merge = MergeRecord(name="m", label="merged", recipe="a")
    write_tree_record(storage, "s", read_tree_record(storage, "s").nodes, [merge])
    records, others = description._node_records, [_tree("a", "theirs")]

    def meanwhile(tree: Tree) -> Any:
        if others:
            description.add_to_description(storage, "s", others.pop())
        return records(tree)

    monkeypatch.setattr(description, "_node_records", meanwhile)
    description.add_to_description(storage, "s", _tree("a", "mine"))
    found = read_tree_record(storage, "s")
    assert sorted(node.name for node in found.nodes) == ["a", "mine", "theirs"]
    assert found.merges == (merge,)


def test_labels_of_a_shared_node_stay(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    first = fakes.make_tree([("a", None, 1)])
    description.add_to_description(storage, "s", first)
    (node,) = first.nodes
    theirs = replace(node, recipes=(*node.recipes, "theirs"))
    description.add_to_description(storage, "s", replace(first, nodes=(theirs,)))
    description.add_to_description(storage, "s", first)
    (found,) = read_tree_record(storage, "s").nodes
    assert found.recipes == (*node.recipes, "theirs")
