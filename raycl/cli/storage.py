"""`raycl states` lists or verifies what is stored; `raycl prune` removes what nothing needs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from raycl.cli.options import StorageUrl, exit_if_damaged
from raycl.cli.output import LastingConsole, print_whole
from raycl.cli.reduce import reduce_states, reducible_states
from raycl.errors import InputError
from raycl.states.inventory import StateFacts, stored_states
from raycl.states.reducible import Less
from raycl.storage import Storage
from raycl.units import format_bytes, format_count, format_seconds, parse_duration

_SHOWN_RECIPES = 2


def states(
    storage: StorageUrl,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every file of the storage and check it.")
    ] = False,
) -> None:
    """Show which states are kept, who refers to them, their size and what they cost.

    Steps, tokens and time of a state count from the state before it, from which it was trained.
    With --verify, every file of the storage is read and compared with its checksum instead; the
    exit code is 2 where anything is damaged.

    Example: `raycl states --storage runs/my --verify`
    """
    if verify:
        _verify(Storage(storage))
        return
    lines, damaged = state_lines(Storage(storage))
    if as_json:
        print(json.dumps(lines, indent=1))
    else:
        _print_states(lines, Console())
    exit_if_damaged(damaged)


def _print_states(lines: Sequence[Mapping[str, Any]], console: Console) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for column in ("state", "stage", "kind", "size", "steps", "tokens", "time", "used by"):
        left = column in ("state", "stage", "kind", "used by")
        table.add_column(column, justify="left" if left else "right", no_wrap=column != "used by")
    for line in lines:
        trained = line["complete"] and line["steps"]
        table.add_row(
            line["name"],
            escape(_stage_text(line)),
            line["kind"],
            format_bytes(line["bytes"]),
            f"{line['steps']:,}" if trained else "–",
            format_count(line["tokens"]) if trained else "–",
            format_seconds(line["seconds"]) if trained else "–",
            # Each state has one line, so a list of users that is too long ends in "…". The output
            # of --json has the whole list.
            Text(_users(line), no_wrap=True, overflow="ellipsis"),
        )
    print_whole(console, table)
    whole = format_bytes(sum(line["bytes"] for line in lines))
    console.print(f"{len(lines)} states, {whole}. `raycl prune` shows what may go.")


def _stage_text(line: Mapping[str, Any]) -> str:
    """The stage, and what it trains where that is a part of the weights."""
    part = f" ({line['trains']})" if line["trains"] else ""
    return (line["stage"] or "–") + part


def _verify(storage: Storage) -> None:
    from raycl.sweep.verify import verify_storage

    console = LastingConsole()
    found = verify_storage(storage, console.say)
    if not found.damaged:
        console.say(f"All is as it was written: {found.checked} states, corpora and records.")
    exit_if_damaged(found.damaged)


def state_lines(storage: Storage) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The lines of `raycl states`, a dictionary for each state, and what records are damaged.

    The requests are those of `stored_states` and `find_uses`. For N complete states and S sweeps
    these are three listings and N + S reads, if all states are ends of nodes. A sweep with another
    state inside a node takes one more read, of its recipe.yaml, and at most four requests for each
    of its corpora.
    """
    from raycl.recipe.stored_chains import stored_chains
    from raycl.states.references import find_uses, referrers

    found = stored_states(storage)
    uses = find_uses(storage, found, stored_chains(storage))
    who = referrers(found, uses)
    lines = [
        {
            "name": state.name,
            "step": state.step,
            "stage": state.mark.stage if state.mark else None,
            "trains": state.mark.trains if state.mark else None,
            "kind": state.kind,
            "complete": state.complete,
            "holds": state.mark.holds if state.mark else None,
            "bytes": state.bytes,
            "steps": state.own_steps,
            "tokens": state.own_tokens,
            "seconds": round(state.own_seconds, 1),
            "written": state.written.isoformat() if state.written else None,
            "merged_from": list(state.merged_from),
            "sweeps": {s: list(labels) for s, labels in who[state.name].recipes.items()},
            "needed_by": list(who[state.name].states),
            "evaluated": who[state.name].evaluated,
            "damage": state.damage or None,
        }
        for state in found
    ]
    return lines, uses.damaged


def prune(
    storage: StorageUrl,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove the states; without it they are only shown.")
    ] = False,
    older_than: Annotated[
        str, typer.Option(help="Keep all that is younger: 12 hours, 1 day, 0s.")
    ] = "1 day",
    to: Annotated[
        Less | None,
        typer.Option(
            help="Instead, leave out what the ends of finished nodes need no more: the optimizer "
            "(weights), or, of merged states too, all but the results (results); the best recipe "
            "of each sweep stays."
        ),
    ] = None,
) -> None:
    """Show the states that nothing needs, and remove them with --yes.

    A state stays if it is the end of a node of a stored sweep, if evaluations or merged states need
    it, if an unfinished node may resume from it, or if it is younger than --older-than. With --to,
    states stay and hold less.

    Example: `raycl prune --storage runs/my --older-than 0s`
    """
    from raycl.recipe.stored_chains import stored_chains
    from raycl.states.prune import removable, remove
    from raycl.states.references import find_uses

    try:
        age = parse_duration(older_than)
    except ValueError as error:
        raise InputError(
            f"--older-than {older_than!r}", str(error), "The default is 1 day"
        ) from None
    place, console = Storage(storage), Console()
    found = stored_states(place)
    uses = find_uses(place, found, stored_chains(place))
    if to is not None:
        reduce_states(place, reducible_states(place, found, uses, to, age), to, yes)
        return
    going = removable(found, uses, datetime.now(UTC), age)
    if not going:
        console.print(f"Nothing to remove: all {len(found)} states are needed or young.")
        return
    _print_removals([(r.state, r.reason) for r in going], console)
    size = format_bytes(sum(removal.state.bytes for removal in going))
    if not yes:
        console.print(f"{len(going)} of {len(found)} states, {size}. Remove them with --yes.")
        return
    # `remove` leaves a state that has changed since it was listed, such as one written anew.
    gone: list[str] = []
    freed = remove(place, going, lambda removal: gone.append(removal.state.name))
    console.print(f"Removed {len(gone)} states, {format_bytes(freed)}.")
    if len(gone) < len(going):
        console.print(f"{len(going) - len(gone)} states stayed, because they have just changed.")


def _print_removals(removals: Sequence[tuple[StateFacts, str]], console: Console) -> None:
    table = Table("state", "size", "written", "why", box=None, pad_edge=False)
    table.columns[0].no_wrap = True
    for state, reason in removals:
        written = f"{state.written:%Y-%m-%d %H:%M}" if state.written else "–"
        table.add_row(state.name, format_bytes(state.bytes), written, reason)
    print_whole(console, table)


def _users(line: Mapping[str, Any]) -> str:
    """The sweeps with their recipes, the states and the evaluations that refer to a state."""
    users = [f"{sweep}: {_some(recipes)}" for sweep, recipes in line["sweeps"].items()]
    if line["needed_by"]:
        users.append(f"{len(line['needed_by'])} states")
    if line["evaluated"]:
        users.append("evaluations")
    return "; ".join(users) or "nothing"


def _some(recipes: Sequence[str]) -> str:
    if len(recipes) <= _SHOWN_RECIPES:
        return ", ".join(recipes)
    return f"{len(recipes)} recipes"
