"""The frontier's face towards Tune, which asks a searcher for the next trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ray.tune.search import Searcher

from raycl.plan.tree import Node
from raycl.sweep.frontier import Frontier
from raycl.sweep.growth import GrowingTree
from raycl.sweep.trial import MOST, configuration


class NodeSearcher(Searcher):
    """Suggests to Tune what the frontier says, until `is_stopped()`.

    `first` comes before that: a node that counts as running already.

    What becomes of a trial is booked by the sweep's callback (`raycl.sweep.tune_callback`): Tune
    tells it right after the searcher and before it asks for another trial, and shows it the error.
    """

    def __init__(
        self,
        frontier: Frontier,
        is_stopped: Callable[[], bool] = lambda: False,
        growing: GrowingTree | None = None,
        first: Node | None = None,
    ) -> None:
        super().__init__()
        self._first = first
        self._frontier, self._is_stopped = frontier, is_stopped
        self._growing = growing or GrowingTree(frontier)

    def awaits(self) -> bool:
        """Whether states are to be measured, for which places have to be free."""
        return self._growing.awaits

    def __getstate__(self) -> dict[str, Any]:
        """Give Tune nothing to pickle, because raycl never restores a searcher."""
        return {}

    def suggest(self, trial_id: str) -> Any:  # noqa: ARG002 (a trial is known by its node)
        """The next node's configuration; None while no node can start; FINISHED at the end."""
        if self._is_stopped():
            return Searcher.FINISHED
        node, self._first = self._first or self._growing.next(), None
        if node is None:
            # A running node may fail and wait again. Without one, the rest is another sweep's.
            return None if self._frontier.running else Searcher.FINISHED
        again = self._frontier.has_another(node)
        found = configuration(node, self._frontier.place(node.name), again)
        if self._frontier.is_shared():  # an elastic node does not grow into what others may use
            found[MOST] = self._frontier.running[node.name]
        return found

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing, because the sweep's callback books the end of a trial."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: a sweep recovers by running again, from what storage holds."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing, because `save` saves nothing."""
