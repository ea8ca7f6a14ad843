"""`raycl prune --to`: ends of finished nodes and merged states that are to hold less."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.table import Table

from raycl.cli.output import print_whole
from raycl.states.inventory import StateFacts, facts_of
from raycl.states.reducible import Less, freed_bytes, reducible
from raycl.states.references import Uses
from raycl.storage import Storage
from raycl.units import format_bytes

_COST = {
    "weights": "Whatever later goes on from one of them with its optimizer (a longer stage, an "
    "anneal, `optimizer: carry`) trains its steps again; all else needs the weights alone.",
    "results": "Tables and the page stay as they are. None of these can be evaluated, exported, "
    "merged or gone on from any more, and a later sweep that needs one trains its steps again. A "
    "merged state (0 steps) is made again by the same merge while what it is made of has weights.",
}


def reducible_states(
    storage: Storage, found: Sequence[StateFacts], uses: Uses, to: Less, age: timedelta
) -> list[StateFacts]:
    """The states that may hold no more than `to`; with `results` never the best of a sweep.

    Raises InputError where a record cannot be read, or the results of a sweep cannot be computed.
    """
    keep = _best(storage, uses) if to == "results" else frozenset()
    return reducible(found, uses, to, (datetime.now(UTC), age), keep)


def _best(storage: Storage, uses: Uses) -> frozenset[str]:
    from raycl.results.best_recipe import states_to_keep

    sweeps = dict.fromkeys(node.sweep for node in uses.nodes)
    return frozenset().union(*(states_to_keep(storage, sweep) for sweep in sweeps))


def reduce_states(storage: Storage, going: Sequence[StateFacts], to: Less, yes: bool) -> None:
    """Print what is to be left out, and with `yes` leave it out."""
    console = Console()
    if not going:
        console.print("Nothing to leave out: all states are needed as they are, or young.")
        return
    _print_reductions(storage, going, to, console)
    if not yes:
        console.print(f"{len(going)} states. Let them hold their {to} alone with --yes.")
        return
    changed, freed = apply(storage, going, to)
    console.print(f"{changed} states hold their {to} alone now; {format_bytes(freed)} are free.")
    if changed < len(going):
        console.print(f"{len(going) - changed} states stayed, because they have just changed.")


def _print_reductions(
    storage: Storage, states: Sequence[StateFacts], to: Less, console: Console
) -> None:
    """A line for each state, what all of them free, and what that costs later."""
    table = Table(box=None, pad_edge=False)
    for column in ("state", "holds", "size", "frees", "steps"):
        table.add_column(column, no_wrap=True)
    for state in states:
        held = state.mark.holds if state.mark else "–"
        sizes = format_bytes(state.bytes), f"≈ {format_bytes(_freed(storage, state, to))}"
        table.add_row(state.name, held, *sizes, f"{state.own_steps:,}")
    print_whole(console, table)
    console.print(_COST[to], soft_wrap=True)


def _freed(storage: Storage, state: StateFacts, to: Less) -> int:
    """The bytes that go, about. Raises InputError where a state's index is damaged."""
    mark = state.mark
    if to == "results" or mark is None or mark.trains is None or mark.holds != "all":
        return freed_bytes(state, to)
    # Only the weights that the stage trained have moments, and the index alone says which.
    from raycl.train.checkpoint.reduce import moment_bytes

    return state.unlisted + moment_bytes(storage, mark)


def apply(storage: Storage, states: Sequence[StateFacts], to: Less) -> tuple[int, int]:
    """Let the states hold no more than `to`; how many were changed, and the bytes that went.

    A state that has changed since it was listed stays as it is. Raises InputError where a file of
    one is damaged.
    """
    changed = freed = 0
    for state in states:
        if facts_of(storage, state.name) != state or state.mark is None:
            continue
        _change(storage, state, to)
        changed += 1
        freed += state.bytes - facts_of(storage, state.name).bytes
    return changed, freed


def _change(storage: Storage, state: StateFacts, to: Less) -> None:
    from raycl.states.reduced import keep_results, remove_unlisted
    from raycl.train.checkpoint.reduce import keep_weights

    assert state.mark is not None
    if state.mark.holds == to:
        remove_unlisted(storage, state.mark)
    elif to == "weights":
        keep_weights(storage, state.mark)
    else:
        keep_results(storage, state.mark)
