"""What a person can ask of nodes: pause, stop, resume and retry, with a sentence on what follows.

The commands call these functions; whatever else lets people steer a sweep calls them too. They need
the storage alone, from any machine, whether a sweep runs or not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from raycl.errors import InputError, shown
from raycl.states.lookup import complete_states
from raycl.storage import Storage, layout
from raycl.sweep.in_training import in_training, sweeps_live
from raycl.sweep.steering.names import NamedNode, short_name
from raycl.sweep.steering.record import (
    Action,
    Failure,
    Request,
    failures,
    moment,
    requests,
    write_request,
)

_SOON = "within about ten seconds"
_LONGEST_NOTE = 200
"""Characters of a note: status, a running sweep and every answer show it within a line."""


@dataclass(frozen=True)
class Situation:
    """All that decides what a request means for a node."""

    finished: bool = False
    training: bool = False
    """Whether a living sweep trains it now."""
    live: bool = False
    """Whether any sweep of this storage may be running."""
    request: Request | None = None
    """What was asked of the node last."""
    failure: Failure | None = None


@dataclass(frozen=True)
class Answer:
    """What follows from a request."""

    node: str
    text: str
    """A sentence for people, without the node."""
    is_new: bool
    """Whether something was recorded; if not, all stays as it is."""


def ask(
    storage: Storage, action: Action, nodes: Sequence[NamedNode], note: str = ""
) -> list[Answer]:
    """Record what is wanted of nodes, and say what follows for each; the last request counts.

    Requests: three listings, those of `in_training` and `sweeps_live`, a read for each node that
    has a record, and a write for each that changes. Raises InputError where a record is damaged, or
    the note is not a line.
    """
    if len(note) > _LONGEST_NOTE or not note.isprintable():
        problem = f"{shown(note)} is no line of at most {_LONGEST_NOTE} characters"
        raise InputError("--note", problem, "Give a few words")
    situations = look(storage, [node.name for node in nodes])
    answers = [answer(action, node.name, situations[node.name]) for node in nodes]
    for made in answers:
        if made.is_new:
            write_request(storage, made.node, action, note)
            if action == "retry":
                storage.remove(layout.failure(made.node))
    return answers


def look(storage: Storage, nodes: Collection[str]) -> dict[str, Situation]:
    """The situation of each of these nodes now. Raises InputError where a record is damaged."""
    finished = set(complete_states(storage, nodes))
    left = [node for node in nodes if node not in finished]
    asked, failed, training = requests(storage, left), failures(storage, left), frozenset[str]()
    live = bool(left) and sweeps_live(storage)
    if live:
        training = in_training(storage, left)
    return {
        node: Situation(node in finished, node in training, live, asked.get(node), failed.get(node))
        for node in nodes
    }


def concerned(
    action: Action, nodes: Sequence[NamedNode], situations: Mapping[str, Situation]
) -> list[NamedNode]:
    """Those of a whole sweep's or recipe's nodes that an action is about.

    `resume` is about nodes that somebody has paused or stopped, `retry` about those that failed.
    """
    return [node for node in nodes if _CONCERNS[action](situations[node.name])]


def first_own(nodes: Sequence[NamedNode], situations: Mapping[str, Situation]) -> NamedNode:
    """The first unfinished node of one recipe that no other recipe needs; the recipe waits there.

    Raises InputError where all that is left of it is shared, or nothing is left.
    """
    left = [node for node in nodes if not situations[node.name].finished]
    own = [node for node in left if len(node.record.recipes) == 1]
    if own:
        return own[0]
    if not left:
        raise InputError("--label", "all nodes of this recipe are finished", "Name another recipe")
    names = "; ".join(f"{short_name(node.name)} is {node.title}" for node in left)
    problem = "what is left of this recipe is shared with other recipes, which would wait as well"
    raise InputError("--label", problem, f"Name the node, if they shall: {names}")


def answer(action: Action, node: str, situation: Situation) -> Answer:
    """What an action means for a node."""
    if situation.finished:
        return Answer(node, "it is finished; nothing is left to be done or undone", False)
    if action in ("pause", "stop"):
        return _hold(action, node, situation)
    return _resume(node, situation) if action == "resume" else _retry(node, situation)


def _hold(action: Action, node: str, situation: Situation) -> Answer:
    request, until = situation.request, f"until `raycl resume {short_name(node)}`"
    if request is not None and request.action == action:
        return Answer(node, f"{_DONE[action]} already {request.source}, {until}", False)
    then = "its sweep waits for it" if action == "pause" else _WITHOUT
    if situation.training:
        text = f"it is being trained. It hears of this {_SOON}, and after the step that it is at "
        text += f"it saves its state and leaves; {then}, {until}"
    elif situation.live:
        text = f"it is not started from now on ({_SOON}); {then}, {until}"
    elif action == "pause":
        text = f"no sweep runs here. The next one trains all the rest and waits for it, {until}"
    else:
        text = f"no sweep runs here. The next one leaves out it and what is below it, {until}"
    return Answer(node, _capital(text), True)


def _resume(node: str, situation: Situation) -> Answer:
    request, failure = situation.request, situation.failure
    when = f"a running sweep sees it {_SOON}" if situation.live else _NEXT
    if request is not None and request.holds:
        was = f"it was {_DONE[request.action]} {request.source}"
        return Answer(node, f"{was}. It goes on from its newest state: {when}", True)
    if situation.training:
        return Answer(node, "it is being trained already", False)
    if failure is not None:
        text = f"it failed at {moment(failure.at)}: {failure.reason}"
        return Answer(node, f"{text}. `raycl retry {short_name(node)}` has it tried again", False)
    if request is not None:
        return Answer(node, f"this was asked already {request.source}: {when}", False)
    text = f"nobody has paused or stopped it. If early stopping has, it is trained now: {when}"
    return Answer(node, text, True)


def _retry(node: str, situation: Situation) -> Answer:
    request, failure = situation.request, situation.failure
    if request is not None and request.holds:
        was = f"it was {_DONE[request.action]} {request.source}"
        return Answer(node, f"{was}. `raycl resume {short_name(node)}` lets it go on", False)
    if failure is None:
        then = "it is being trained" if situation.training else "its sweep trains it anyway"
        return Answer(node, f"no failure of it is recorded; {then}", False)
    text = f"it failed at {moment(failure.at)}: {failure.reason}"
    if situation.training:
        return Answer(node, f"{text}. It is being trained again already", True)
    when = f"a running sweep tries it again {_SOON}, and then what is below it"
    return Answer(node, f"{text}. {_capital(when if situation.live else _NEXT_TRIES)}", True)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


_DONE: Mapping[Action, str] = {"pause": "paused", "stop": "stopped"}
_WITHOUT = "its sweep ends without it and what is below it"
_NEXT = "no sweep runs here; the next `raycl sweep` trains it"
_NEXT_TRIES = "no sweep runs here; the next `raycl sweep` tries every failed node again by itself"
_CONCERNS: Mapping[Action, Callable[[Situation], bool]] = {
    "pause": lambda situation: not situation.finished,
    "stop": lambda situation: not situation.finished,
    "resume": lambda situation: situation.request is not None and situation.request.holds,
    "retry": lambda situation: situation.failure is not None,
}
