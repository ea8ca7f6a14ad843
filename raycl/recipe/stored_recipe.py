"""recipe.yaml of a stored sweep: the recipe as it was run, with a checksum of what it says."""

from __future__ import annotations

import re
import zlib

import yaml

from raycl.errors import InputError
from raycl.recipe.definition import (
    Definition,
    definition_of,
    with_proposals,
    with_stored_proposals,
)
from raycl.recipe.load import fields_of
from raycl.recipe.proposals import Proposal, proposal_numbers, read_proposal
from raycl.recipe.yaml import decoded, parse_document
from raycl.storage import Storage, layout
from raycl.storage.reading import read_whole

_REMEDY = "Run `raycl sweep` with its recipe again, which writes the file anew"
_HEADER = re.compile(rb"# written by raycl; crc32 of all that follows this line: ([0-9]+)\n")


def recipe_text(definition: Definition) -> str:
    """The recipe as YAML, overrides and scale applied."""
    return yaml.safe_dump(dict(definition.data), sort_keys=False, allow_unicode=True)


def write_recipe(storage: Storage, definition: Definition) -> None:
    """Store the recipe of a sweep under the sweep's name."""
    text = recipe_text(definition).encode()
    # The checksum comes first, so that a file which was cut off still has it.
    header = f"# written by raycl; crc32 of all that follows this line: {zlib.crc32(text)}\n"
    storage.write_bytes(layout.sweep_recipe(definition.recipe.name), header.encode() + text)


def read_recipe(storage: Storage, sweep: str) -> Definition:
    """The definition of a stored sweep, with all recipes that were added to it.

    Raises FileNotFoundError; InputError where the file does not match its checksum, is no recipe or
    is that of another sweep. An older file without a checksum is read as it is.
    """
    return with_stored_proposals(_as_it_was_run(storage, sweep), storage)


def proposal_problems(storage: Storage, sweep: str) -> list[str]:
    """What is wrong with the recipes that were added to a stored sweep, a sentence each.

    That is a damaged file, or one that does not fit the recipe; neither lets the sweep's recipe be
    read. Requests: one listing, and where there is any of them a read of each and of the recipe.
    """
    found: list[Proposal] = []
    problems: list[str] = []
    for number in proposal_numbers(storage, sweep):
        try:
            found.append(read_proposal(storage, sweep, number))
        except FileNotFoundError:  # somebody has just removed it, as the remedy says
            continue
        except InputError as error:
            problems.append(str(error))
    if not found:
        return problems
    try:
        definition = _as_it_was_run(storage, sweep)
    except (InputError, FileNotFoundError):  # it is not what was added that is wrong
        return problems
    try:
        with_proposals(definition, found)
    except InputError as error:
        problems.append(str(error))
    return problems


def _as_it_was_run(storage: Storage, sweep: str) -> Definition:
    path = layout.sweep_recipe(sweep)
    where = storage.full_path(path)
    text = _verified(read_whole(storage, path, "the recipe of a sweep", _REMEDY), where)
    data = fields_of(parse_document(decoded(text, where), where), where)
    definition = definition_of(data, where)
    if definition.recipe.name != sweep:
        raise InputError(
            where,
            f"it is the recipe of the sweep {definition.recipe.name!r}",
            "The folder was renamed, copied or exchanged: give it back its name, or remove it",
        )
    return definition


def _verified(data: bytes, where: str) -> bytes:
    header = _HEADER.match(data)
    if header is None:
        return data
    if zlib.crc32(text := data[header.end() :]) != int(header[1]):
        raise InputError(where, "it does not match its checksum", _REMEDY)
    return text
