"""Who is told what happens to the nodes of a running sweep: people, line by line, and a webhook."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from raycl.recipe.sweep_plan import SweepPlan
from raycl.sweep.event_printer import EventPrinter
from raycl.sweep.events import SweepEvent
from raycl.sweep.notifications.notifier import Notifier
from raycl.sweep.recipe_growth import RecipeGrowth
from raycl.watch.progress import TreeProgress


@dataclass(frozen=True)
class Audience:
    """Who is told what happens to nodes: people, line by line, and a webhook."""

    printer: EventPrinter
    notifier: Notifier | None

    @contextmanager
    def following(
        self, plan: SweepPlan, watched: TreeProgress, growth: RecipeGrowth | None
    ) -> Iterator[None]:
        """Tell of the plan's tree while the block lasts."""
        if self.notifier is not None:
            self.notifier.begin(plan, growth)
        self.printer.begin(watched)
        try:
            yield
        finally:
            self.printer.end()

    def event(self, event: SweepEvent) -> None:
        """Tell an event."""
        self.printer.event(event)
        if self.notifier is not None:
            self.notifier.event(event)
