"""`raycl branch` adds a recipe to a stored sweep that leaves one of its recipes inside a stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raycl.cli import complete
from raycl.cli.options import StorageUrl, SweepName
from raycl.cli.output import LastingConsole
from raycl.cli.steering import NodeName
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.recipe.branch_place import Wanted
    from raycl.recipe.branching import Branching
    from raycl.storage import Storage


def branch(
    storage: StorageUrl,
    node: NodeName = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="What is different from there on: --set german.replay=10%."),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            metavar="STEP",
            help="Leave at the nearest state at or before this step of the recipe; or `start`: "
            "begin the stage anew.",
        ),
    ] = "latest",
    sweep: SweepName = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="LABEL",
            autocompletion=complete.labels,
            help="The recipe to clone, where the node has several; alone: at its newest state.",
        ),
    ] = None,
) -> None:
    """Clone a recipe from the newest state of a node, and change fields of the steps that follow.

    What comes before is not trained again. A running sweep takes the branch up by itself, and
    `raycl sweep` trains it otherwise. Other commands know it by its label at once.

    Example: `raycl branch 'german 100–200' --set german.replay=10% --storage runs/my`
    """
    from raycl.recipe.branching import plan_branch, record_branch
    from raycl.storage import Storage
    from raycl.sweep.description import describe_added

    place = Storage(storage)
    made = plan_branch(place, _wanted(place, (node, sweep, label), at, overrides or ()))
    if not made.known:
        record_branch(place, made)
    describe_added(place, made.sweep)  # a known one too: what recorded it may have been killed
    console = LastingConsole()
    for line in _told(made, _trains(place, made.sweep)):
        console.print(line, markup=False, soft_wrap=True)


def _wanted(
    storage: Storage,
    meant: tuple[str | None, str | None, str | None],
    at: str,
    overrides: Sequence[str],
) -> Wanted:
    from raycl.recipe.branch_place import Wanted
    from raycl.sweep.steering.names import named_nodes

    node, sweep, label = meant
    if node is None and label is None:
        raise InputError("NODE", "nothing to leave", "Name a node as `raycl status` shows it")
    nodes = named_nodes(storage, node, sweep, label)
    sweeps = set.intersection(*(set(each.sweeps) for each in nodes))
    if len(sweeps) != 1:
        names = ", ".join(sorted(sweeps))
        raise InputError("NODE", f"{len(sweeps)} sweeps have it", f"Name one with --sweep: {names}")
    records = [each.record for each in nodes]
    return Wanted(
        sweep=sweeps.pop(),
        recipes=tuple(dict.fromkeys(name for record in records for name in record.recipes)),
        sets=_sets(overrides),
        first=min(record.first_step for record in records),
        last=max(record.last_step for record in records),
        at=at,
        label=label,
    )


def _sets(overrides: Sequence[str]) -> dict[str, Any]:
    from raycl.recipe.definition import written_override

    return dict(written_override(override) for override in overrides)


def _trains(storage: Storage, sweep: str) -> bool:
    """Whether a living sweep trains a node of this one now."""
    from raycl.states.tree_record import find_tree_record
    from raycl.sweep.in_training import in_training

    return bool(
        in_training(storage, [node.name for node in find_tree_record(storage, sweep).nodes])
    )


def _told(made: Branching, trains: bool) -> list[str]:
    """What was recorded, as lines for people."""
    if made.known:
        return [f"The sweep {made.sweep!r} has this recipe already: {made.label}"]
    left = f"the recipe {made.departure.recipe!r} after step {made.departure.step:,}"
    if made.state is None:
        lines = [f"{made.label}: leaves {left}, where the stage {made.stage} begins anew"]
    else:
        lines = [f"{made.label}: leaves {left}, at the state {made.state}"]
    lines.append(
        f"It shares {made.departure.step:,} of its {made.steps:,} steps with that recipe; "
        f"{made.to_train:,} are left to train for it"
    )
    if trains:
        lines.append("Its sweep is running: it takes the branch up within a few seconds")
    else:
        lines.append(f"`raycl sweep` with the recipe of {made.sweep!r} trains it")
    return lines
