"""How fast trainings were: what the marks and histories of stored states tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from statistics import median

from raycl.errors import InputError
from raycl.plan.speed import Measured, Workload, model_key
from raycl.states.completeness import read_marks
from raycl.states.history import read_history
from raycl.states.mark import StateMark
from raycl.storage import Storage

_MOST = 50
"""States of one kind of work whose histories are read: their median says no more with others."""


def measured_speeds(
    storage: Storage, states: Collection[str], wanted: Iterable[Workload]
) -> list[Measured]:
    """How fast such work was, for each of the states that a training like it has written.

    Requests: a read of each mark, and of each history that is used. States with a damaged mark or
    history tell nothing here; `raycl status` names them.
    """
    marks, _ = read_marks(storage, states)
    works = set(wanted)
    newest = sorted(marks.values(), key=lambda mark: mark.created or "", reverse=True)
    found: list[Measured] = []
    for work in works:
        fitting = [mark for mark in newest if _fits(mark, work)]
        found += filter(None, (_measured(storage, mark) for mark in fitting[:_MOST]))
    return list(dict.fromkeys(found))


def _fits(mark: StateMark, work: Workload) -> bool:
    own = workload_in(mark)
    return own is not None and own.is_as(work)


def workload_in(mark: StateMark) -> Workload | None:
    """What the speed of a state's steps depended on; None where its mark cannot tell."""
    if not mark.step or mark.validation is None:
        return None
    return Workload(
        model=model_key(mark.model),
        trains=mark.trains,
        tokens_per_step=mark.tokens // mark.step,
        sequence_length=mark.sequence_length,
        precision=mark.validation.precision,
        workers=mark.world_size,
    )


def _measured(storage: Storage, mark: StateMark) -> Measured | None:
    try:
        history = read_history(storage, mark).to_pydict()
    except InputError:
        return None
    column = history.get("tokens_per_second", ())
    rates = [value for value in column if value is not None and value > 0]
    work = workload_in(mark)
    if not rates or work is None:
        return None
    rate = median(rates)
    tokens = work.tokens_per_step * (mark.step - mark.previous_step)
    device = mark.machine.device if mark.machine else None
    return Measured(work, device, rate, max(1.0, mark.seconds * rate / tokens))
