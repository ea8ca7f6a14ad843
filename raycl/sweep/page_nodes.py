"""The nodes of a stored sweep as the page shows them: where each is, its curves and its log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from raycl.errors import InputError
from raycl.plan.training import Training
from raycl.recipe.schema.seeds import base_name
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.results.stored_states import StoredStates
from raycl.states.references import no_tree
from raycl.storage import Storage
from raycl.sweep.description import progress
from raycl.sweep.heard import (
    heartbeats,
    is_silent,
    last_heard,
    own_record,
    trains_without_lease,
)
from raycl.sweep.lease_records import find_holder
from raycl.sweep.steering.record import failures, requests
from raycl.watch.contract import NodeDetails, NodeLine
from raycl.watch.live_record import LiveNode, find_live_nodes
from raycl.watch.node_curves import node_curves, node_log, with_names
from raycl.watch.node_lines import node_lines


@dataclass(frozen=True)
class PageNodes:
    """The nodes of a sweep, and what is damaged of them, a sentence each."""

    lines: list[NodeLine]
    damaged: list[str] = field(default_factory=list)


def page_nodes(
    storage: Storage, sweep: str, states: StoredStates, are_whole: bool = False
) -> PageNodes:
    """How far the nodes of a sweep are; `are_whole`: nobody has to look for damage in `states`.

    Requests: those of `progress` and of its records once more, a listing of the live records and a
    read of each one whose node is not finished; and where nodes are trained, a listing of the
    heartbeats and a read for each of these nodes.
    """
    try:
        stored, damaged = progress(storage, sweep, states.names if are_whole else ())
    except FileNotFoundError:
        return PageNodes([], [str(no_tree(storage, sweep))])
    except InputError as error:
        return PageNodes([], [str(error)])
    left = [node["name"] for node in stored if not node["finished"]]
    live, unread = find_live_nodes(storage, left)
    try:
        asked, failed = requests(storage, left), failures(storage, left)
    except InputError:  # `progress` has told it
        asked, failed = {}, {}
    held = {name for name, request in asked.items() if request.holds}
    reasons = {name: failure.reason for name, failure in failed.items()}
    silent = _silent(storage, stored, live)
    whole = [node | _of_its_state(node, states) for node in stored]
    return PageNodes(node_lines(whole, live, reasons, held, silent), [*damaged, *unread])


def _silent(
    storage: Storage, stored: list[dict[str, Any]], live: dict[str, LiveNode]
) -> dict[str, datetime]:
    """The nodes in training of whose process nothing was heard for long, and since when.

    A record that is not its holder's is taken out of `live`; a node that is trained where there
    are no leases is noted in `stored`.
    """
    beats = heartbeats(storage) if any(node["training"] for node in stored) else {}
    found, now = {}, datetime.now(UTC)
    for node in stored:
        name = node["name"]
        record = live.get(name)
        if not node["training"]:
            node["training"] = trains_without_lease(record, now)
            continue
        holder = find_holder(storage, name)
        heard = last_heard(record, holder, beats)
        if own_record(record, holder) is None:
            live.pop(name, None)
        if heard is not None and is_silent(heard, now):
            found[name] = heard
    return found


def _of_its_state(node: Mapping[str, Any], states: StoredStates) -> dict[str, Any]:
    """The last loss and the workers of a finished node whose state was read for its results."""
    if not node["finished"] or not states.has_read(node["name"]):
        return {}
    record = states.record(node["name"])
    if record is None:
        return {}
    mark, lines = record
    losses = lines["loss"].dropna().tolist() if "loss" in lines else []
    return {"loss": losses[-1] if losses else None, "workers": mark.world_size}


def node_details(
    nodes: Iterable[NodeLine],
    states: StoredStates,
    planned: PlannedSweep | None,
    storage: Storage,
) -> NodeDetails:
    """The curves and logs of nodes; what is damaged of a node leaves its curves out.

    The plan of the sweep, where there is one, leads to what is saved of a node that is not
    finished, and to the names that corpora of further seeds have in the recipe file. Requests: a
    listing of the live records and a read of each one, and those of states that `states` does not
    know yet.
    """
    details = NodeDetails(curves={}, logs={})
    nodes = list(nodes)
    trainings = planned.trainings if planned else {}
    names = _corpus_names(planned) if planned else {}
    records, _ = find_live_nodes(storage, [node["name"] for node in nodes])
    for node in nodes:
        live = records.get(node["name"])
        try:
            lines = list(_histories(node, states, _end(node, states, trainings)))
        except InputError:
            lines = []
        details["curves"][node["name"]] = with_names(node_curves(lines[::-1], live), names)
        details["logs"][node["name"]] = node_log(live)
    return details


def _corpus_names(planned: PlannedSweep) -> dict[str, str]:
    """The names in the recipe file of the corpora of its further seeds, by their own names."""
    corpora = planned.definition.material.corpora
    return {name: base_name(name, corpus) for name, corpus in corpora.items()}


def _end(node: NodeLine, states: StoredStates, trainings: Mapping[str, Training]) -> str | None:
    """The deepest state within a node."""
    if states.holds(node["name"]):
        return node["name"]
    training = next((trainings[label] for label in node["recipes"] if label in trainings), None)
    return None if training is None else states.deepest(training)


def _histories(node: NodeLine, states: StoredStates, end: str | None) -> Iterator[pd.DataFrame]:
    """The lines of the states within a node, the last one first."""
    # The line of step −1 has the losses before the first step.
    first = node["first_step"] or -1
    while end is not None and (record := states.record(end)) is not None:
        mark, lines = record
        if mark.step <= node["first_step"]:
            return
        yield lines[lines["step"] >= first]
        end = mark.previous if mark.previous_step > node["first_step"] else None
