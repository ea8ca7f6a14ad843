"""Stores the description of a sweep, which is its recipe and its nodes, beside its results."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from raycl.errors import InputError
from raycl.plan.tree import Tree
from raycl.recipe.definition import Definition, definition_of
from raycl.recipe.load import fields_of
from raycl.recipe.yaml import decoded, parse_document
from raycl.states.earlier import earlier_names
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
    text = decoded(storage.read_bytes(path), where)
    return definition_of(fields_of(parse_document(text, where), where), where)


def check_names(storage: Storage, name: str) -> None:
    """Raise InputError where an earlier raycl named the states of a sweep.

    They cannot be found by its recipe, so that its results would be written anew without them.
    """
    try:
        nodes = read_tree_record(storage, name).nodes
    except FileNotFoundError:  # its recipe alone is stored
        return
    if earlier_names(node.name for node in nodes):
        raise InputError(
            f"sweep {name!r} in {storage.url}",
            "an earlier version of raycl named its states, which this one cannot recognise; its "
            "results stay as they are",
            "Write them with that version, or train the recipe again with `raycl sweep`",
        )


def progress(storage: Storage, name: str) -> Iterable[dict[str, Any]]:
    """Each node of a stored sweep, with whether its state is complete."""
    existing = set(complete_states(storage))
    for node in read_tree_record(storage, name).nodes:
        yield {**node.model_dump(), "finished": node.name in existing}
