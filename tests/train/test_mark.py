"""What the mark of a state says of the time before it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from raycl.train.mark import HistoryStart, history_start
from tests.helpers.state_marks import state_mark

NAME = "000000008-" + "a" * 40


def found(kept: bool, **fields: Any) -> Any:
    mark = state_mark(NAME, seconds=10.0, world_size=4, **fields)
    return cast(Any, SimpleNamespace(name=NAME, step=8, kept=kept, mark=mark))


def test_time_begins_anew_after_a_state_that_stays() -> None:
    assert history_start(found(kept=True)) == HistoryStart(NAME, 8)


def test_what_led_to_an_intermediate_state_is_carried_over() -> None:
    """It was trained by another number of workers than what follows, perhaps."""
    start = history_start(found(kept=False, worker_seconds=25.0))
    assert (start.name, start.seconds, start.worker_seconds) == (None, 10.0, 25.0)
    older = history_start(found(kept=False))
    assert older.worker_seconds == 40.0
