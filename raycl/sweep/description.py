"""Stores the description of a sweep, which is its recipe and its nodes, beside its results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from raycl.errors import InputError
from raycl.plan.tree import Tree
from raycl.recipe.definition import Definition, definition_of
from raycl.states.lookup import complete_states
from raycl.states.tree_record import NodeRecord, read_tree_record, write_tree_record
from raycl.storage import Storage, layout


def write_description(definition: Definition, storage: Storage, tree: Tree) -> None:
    """Write the sweep's recipe and tree, for `raycl status` and `raycl report`."""
    name = definition.recipe.name
    storage.write_bytes(layout.sweep_recipe(name), recipe_text(definition).encode())
    nodes = [
        NodeRecord(
            name=node.name,
            parent=node.parent,
            stage=node.training.stage,
            steps=node.steps,
            first_step=node.training.start,
            recipes=tuple(node.recipes),
        )
        for node in tree.nodes
    ]
    write_tree_record(storage, name, nodes)


def recipe_text(definition: Definition) -> str:
    """The recipe as YAML, overrides and scale applied."""
    return yaml.safe_dump(dict(definition.data), sort_keys=False, allow_unicode=True)


def stored_definition(storage: Storage, name: str) -> Definition:
    """The definition of a sweep that this storage has seen. Raises InputError."""
    path = layout.sweep_recipe(name)
    if not storage.exists(path):
        known = ", ".join(storage.list(layout.SWEEPS)) or "none"
        raise InputError(f"sweep {name!r} in {storage.url}", "not there", f"Known sweeps: {known}")
    where = storage.full_path(path)
    try:
        data = yaml.safe_load(storage.read_bytes(path))
    except yaml.YAMLError as error:
        remedy = "Run `raycl sweep` with its recipe again"
        raise InputError(where, f"not readable as YAML ({error})", remedy) from error
    if not isinstance(data, dict):
        raise InputError(where, "not a mapping of fields", "Run `raycl sweep` with its recipe")
    return definition_of(data, where)


def progress(storage: Storage, name: str) -> Iterable[dict[str, Any]]:
    """Each node of a stored sweep, with whether its state is complete."""
    existing = set(complete_states(storage))
    for node in read_tree_record(storage, name).nodes:
        yield {**node.model_dump(), "finished": node.name in existing}
