"""How far a tree is: pace, shares, and the lines of a log that tell it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from raycl.sweep.event_lines import event_line, event_text
from raycl.sweep.events import SweepEvent, node_label
from raycl.sweep.tree_progress import note_event, tree_progress
from raycl.watch.pace import Pace
from raycl.watch.progress import TreeProgress
from raycl.watch.text import duration_text
from tests.helpers import fakes

LINKS = [("a", None, 1), ("b", "a", 1), ("c", "a", 1), ("d", "c", 1)]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_pace_is_that_of_the_last_minute() -> None:
    pace = Pace(60)
    assert pace.seconds_for(10) is None
    pace.add(0, 0.0)
    pace.add(10, 10.0)
    assert pace.seconds_for(10) == pytest.approx(10)
    for second in range(11, 200):
        pace.add(10 + 2 * (second - 10), float(second))
    assert pace.steps_per_second == pytest.approx(2)
    pace.add(5, 200.0)  # it went back to a saved state
    assert pace.steps_per_second is None
    pace.add(6, 500.0)  # one slow step has a pace too
    assert pace.seconds_for(1) == pytest.approx(300)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (80, "1 min 20 s"), (7260, "2 h 1 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def watched() -> tuple[TreeProgress, Clock]:
    tree, clock = fakes.make_tree(LINKS, steps=4), Clock()
    progress = tree_progress(tree, ["a"])
    progress._clock = clock
    return progress, clock


def label(name: str) -> str:
    return next(node_label(n) for n in fakes.make_tree(LINKS, steps=4).nodes if n.name == name)


def tell(progress: TreeProgress, kind: str, name: str, **fields: object) -> str:
    event = SweepEvent(kind, name, label(name), **fields)  # type: ignore[arg-type]
    note_event(progress, event)
    return event_text(event, progress)


def test_a_tree_tells_how_far_it_is() -> None:
    progress, clock = watched()
    node = progress.nodes["b"]
    total = sum(each.steps for each in progress.nodes.values())
    assert progress.whole().share == progress.nodes["a"].steps / total
    tell(progress, "started", "b")
    first = node.first_step
    for done in (1, 2):
        clock.now += 10
        assert progress.report("b", {"step": first + done, "loss": 2.0, "tokens_per_second": 5e3})
    assert not progress.report("b", {"step": first + 2, "loss": 2.0})
    assert (node.share, node.seconds_left) == (2 / node.steps, 10 * (node.steps - 2))
    whole = progress.whole()
    assert whole.seconds_left == 10 * (total - whole.steps_done)
    assert whole.tokens_per_second == 5e3
    told = tell(progress, "failed", "c", reason="it broke\nat once", skipped=("d",))
    assert told.startswith(f"{label('c')}  failed: it broke at once; 1 nodes below it are not")
    assert progress.whole().by_status["skipped"] == 1
    # What failed is not waited for.
    assert progress.whole().seconds_left == 10 * (node.steps - 2)
    tell(progress, "retried", "c", reason="by anna@laptop")
    assert progress.whole().by_status == {"finished": 1, "training": 1, "waiting": 2}
    clock.now += 20
    told = tell(progress, "finished", "b", metrics={"step": node.last_step, "loss": 1.5})
    assert told.startswith(
        f"{label('b')}  finished at step {node.last_step} after 40 s: loss 1.5; sweep "
    )
    assert "2 of 4 nodes done" in told


def test_what_was_saved_before_does_not_make_the_pace_faster() -> None:
    progress, clock = watched()
    tell(progress, "started", "b")
    first = progress.nodes["b"].first_step
    clock.now += 10
    progress.report("b", {"step": first + 2, "loss": 2.0, "optimizer_steps": 0})
    clock.now += 10
    progress.report("b", {"step": first + 3, "loss": 2.0, "optimizer_steps": 1})
    whole = progress.whole()
    assert whole.seconds_left == 10 * (whole.steps_total - whole.steps_done)


def test_a_line_of_a_log_is_one_line_with_its_time() -> None:
    progress, clock = watched()
    tell(progress, "started", "b")
    first, last = progress.nodes["b"].first_step, progress.nodes["b"].last_step
    for done in (1, 2):
        clock.now += 10
        numbers = {"step": first + done, "loss": 3.41, "validation/old": 2.5}
        progress.report("b", numbers)
    at = datetime(2026, 11, 28, 22, 57, 3, tzinfo=UTC)
    line = event_line(SweepEvent("metrics", "b", label("b"), numbers, at=at), progress)
    stamp = f"{at.astimezone():%Y-%m-%d %H:%M:%S}"
    percent = 200 // (last - first)
    assert line.startswith(
        f"{stamp}  {label('b')}  step {first + 2}/{last}, {percent}%, ETA "
        f"{duration_text(10 * (last - first - 2))}, loss 3.41, validation old 2.5; sweep "
    )
    assert line.count("\n") == 0


def test_nodes_of_one_title_are_told_apart() -> None:
    progress, _ = watched()
    progress.nodes["b"].title = progress.nodes["c"].title
    progress.add(())
    text = event_text(SweepEvent("started", "c", label("c")), progress)
    assert text.startswith(f"{label('c')} [c]  started; sweep ")
