"""`raycl pause`, `stop`, `resume` and `retry` steer sweeps that run, through their storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from raycl.cli import complete
from raycl.cli.options import StorageUrl, SweepName
from raycl.cli.output import LastingConsole
from raycl.errors import InputError

if TYPE_CHECKING:
    from raycl.storage import Storage
    from raycl.sweep.steering.actions import Answer
    from raycl.sweep.steering.names import NamedNode
    from raycl.sweep.steering.record import Action

NodeName = Annotated[
    str | None,
    typer.Argument(
        metavar="NODE",
        autocompletion=complete.nodes,
        help="A node as `raycl status` shows it: its name or the beginning, or 'german 100–200'.",
    ),
]
RecipeLabel = Annotated[
    str | None,
    typer.Option(
        "--label",
        metavar="LABEL",
        autocompletion=complete.labels,
        help="One recipe of the sweep: what it alone needs; with NODE: that recipe's node.",
    ),
]
Everything = Annotated[
    bool, typer.Option("--all", help="All nodes of the sweep that it can be about.")
]
Note = Annotated[str, typer.Option(help="A few words for others, which status shows.")]


def pause(
    storage: StorageUrl,
    node: NodeName = None,
    sweep: SweepName = None,
    label: RecipeLabel = None,
    everything: Everything = False,
    note: Note = "",
) -> None:
    """Let a node save its state and leave, or not start; its sweep waits until it is resumed.

    It holds for every sweep of the storage that has the node, and for later ones too.

    Example: `raycl pause 'german 100–200' --storage runs/my --note 'GPUs are needed elsewhere'`
    """
    _steer("pause", storage, (node, sweep, label, everything), note)


def stop(
    storage: StorageUrl,
    node: NodeName = None,
    sweep: SweepName = None,
    label: RecipeLabel = None,
    everything: Everything = False,
    note: Note = "",
) -> None:
    """Let a node save its state and leave, or not start; its sweep ends without it.

    What is below it is not trained either. `raycl resume` takes it back at any time, and nothing
    that was trained is lost.

    Example: `raycl stop --label 'replay 5%' --storage runs/my`
    """
    _steer("stop", storage, (node, sweep, label, everything), note)


def resume(
    storage: StorageUrl,
    node: NodeName = None,
    sweep: SweepName = None,
    label: RecipeLabel = None,
    everything: Everything = False,
    note: Note = "",
) -> None:
    """Let a node go on that was paused or stopped, or that early stopping has frozen.

    It goes on from its newest state, to the bits that it would have had without a pause. --label
    and --all are about nodes that somebody has paused or stopped.

    Example: `raycl resume 3f2a9c11 --storage runs/my`
    """
    _steer("resume", storage, (node, sweep, label, everything), note)


def retry(
    storage: StorageUrl,
    node: NodeName = None,
    sweep: SweepName = None,
    label: RecipeLabel = None,
    everything: Everything = False,
    note: Note = "",
) -> None:
    """Let the running sweep try a failed node again, and then what is below it.

    A sweep that starts tries every failed node again by itself.

    Example: `raycl retry --all --storage runs/my`
    """
    _steer("retry", storage, (node, sweep, label, everything), note)


def _steer(
    action: Action,
    url: str,
    meant: tuple[str | None, str | None, str | None, bool],
    note: str,
) -> None:
    from raycl.storage import Storage
    from raycl.sweep.steering.actions import ask

    storage, console = Storage(url), LastingConsole()
    nodes = _meant(storage, action, *meant)
    titles = {node.name: node.title for node in nodes}
    answers = ask(storage, action, nodes, note)
    for lines in _lines(answers, titles):
        console.say(lines)
    others = {sweep for node in nodes for sweep in node.sweeps}
    if len(others) > 1 and any(answer.is_new for answer in answers):
        console.say(f"It holds for the sweeps {', '.join(sorted(others))}, which share it.")


def _meant(
    storage: Storage,
    action: Action,
    node: str | None,
    sweep: str | None,
    label: str | None,
    everything: bool,
) -> list[NamedNode]:
    """The nodes that the words of a command are about. Raises InputError."""
    from raycl.sweep.steering.actions import concerned, first_own, look
    from raycl.sweep.steering.names import named_nodes, only_sweep

    if everything and (node or label):
        raise InputError("--all", "a node or a recipe is named as well", "Leave out one of them")
    if not (everything or node or label):
        raise InputError("NODE", "not given", "Name a node that `raycl status` shows, or --label")
    if everything:
        sweep = only_sweep(storage, sweep)
    found = named_nodes(storage, node, sweep, label)
    if node is not None:
        return found
    situations = look(storage, [each.name for each in found])
    if label is not None and action in ("pause", "stop"):
        return [first_own(found, situations)]
    return concerned(action, found, situations)


def _lines(answers: Sequence[Answer], titles: dict[str, str]) -> list[str]:
    if not answers:
        return ["Nothing to do: no node of it is concerned."]
    return [f"{titles[answer.node]}: {answer.text}" for answer in answers]
