"""The trackers of a sweep, or of several that are trained as one tree, while they are trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from raycl.recipe.sweep_plan import SweepPlan
from raycl.storage import Storage
from raycl.storage.store import scratch_folder
from raycl.sweep.recipe_growth import RecipeGrowth
from raycl.sweep.tracking.following import Following
from raycl.sweep.tracking.registry import open_tracker
from raycl.sweep.tracking.runs import runs_of
from raycl.sweep.tracking.sender import (
    CLOSE_SECONDS,
    INTERRUPTED_SECONDS,
    Sender,
    close_all,
)
from raycl.sweep.tracking.tracker import Place, Run


@contextmanager
def followed(
    plan: SweepPlan,
    storage: Storage,
    growth: RecipeGrowth | None,
    report: Callable[[str], None],
) -> Iterator[Following]:
    """A Tune callback that hands runs to the trackers of their sweep, as long as the block lasts.

    Sweeps that name a tracker with the same settings share it. What goes wrong with one is told by
    `report`.
    """
    senders: dict[str, Sender] = {}
    of_sweep: dict[str, tuple[Sender, ...]] = {}
    with scratch_folder("trackers") as scratch:
        place = Place(storage, scratch)
        for sweep in plan.sweeps:
            found = []
            for name, settings in sweep.definition.recipe.trackers.used.items():
                key = f"{name} {settings!r}"
                if key not in senders:
                    senders[key] = Sender(name, open_tracker(name, settings, place))
                found.append(senders[key])
            of_sweep[sweep.name] = tuple(found)

        def follow(run: Run) -> tuple[Sender, ...]:
            return of_sweep.get(run.sweep, ())

        following = Following(runs_of(plan, growth), follow, report)
        seconds = CLOSE_SECONDS
        try:
            yield following
        except KeyboardInterrupt:
            seconds = INTERRUPTED_SECONDS
            raise
        finally:
            following.close()
            close_all(senders.values(), seconds)
            for sender in senders.values():
                for sentence in sender.news():
                    report(sentence)
