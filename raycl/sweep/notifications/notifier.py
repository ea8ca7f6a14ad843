"""Says by a webhook how a sweep goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from raycl.plan.training import Training
from raycl.recipe.definition import Definition
from raycl.recipe.schema.notify import Notify, Occasion
from raycl.recipe.sweep_plan import SweepPlan
from raycl.results.outcome import BASELINES
from raycl.results.stored_states import StoredStates
from raycl.storage import Storage, layout
from raycl.sweep.events import SweepEvent
from raycl.sweep.notifications.best import BestSoFar, outcome_of
from raycl.sweep.notifications.webhook import Webhook, webhook_url
from raycl.sweep.recipe_growth import RecipeGrowth

Message = Mapping[str, Any]


class Notifier:
    """Is told of a sweep, and posts what its recipe wants to be posted."""

    def __init__(self, definition: Definition, storage: Storage, webhook: Webhook | None) -> None:
        recipe = definition.recipe
        self._sweep, self._storage, self._webhook = recipe.name, storage, webhook
        self._on = recipe.notify.events if recipe.notify else ()
        self._best = BestSoFar(recipe.search.compared if recipe.search else None)
        self._plan: SweepPlan | None = None
        self._growth: RecipeGrowth | None = None
        self._states: StoredStates | None = None
        """What is in storage; once training has begun, the webhook's thread alone reads it."""
        self._ends: dict[str, list[str]] = {}
        """Labels of recipes by their last state."""
        self._known: set[str] = set()
        self._new: list[str] = []
        """States that were trained since a recipe was compared."""
        self._text_of_best = ""

    def begin(self, plan: SweepPlan, growth: RecipeGrowth | None) -> None:
        """Nodes are about to be trained. Recipes that ended before are compared, silently."""
        self._plan, self._growth = plan, growth
        finished = frozenset(plan.stored.finished)
        self._states = StoredStates(self._storage, finished)
        if self._webhook is not None:
            for state in finished:
                for label in self._ending_at(state):
                    self._compare(label, silent=True)

    def event(self, event: SweepEvent) -> None:
        """Post a failure that is final; compare the recipes that end with a node."""
        if self._webhook is None:
            return
        if event.kind == "failed":
            text = f"{event.label} has failed: {event.reason}"
            self._post("failure", text, node=event.node, reason=event.reason)
        elif event.kind == "finished" and self._plan is not None:
            self._new.append(event.node)
            for label in self._ending_at(event.node):
                self._compare(label)

    def ended(self, failed: Mapping[str, str]) -> None:
        """Post that the results are written; nothing where nothing was to be trained."""
        if self._plan is None:
            return
        failures = f"; {len(failed)} nodes or merges have failed" if failed else ""
        page = self._storage.full_path(layout.sweep_report(self._sweep))
        reason = "; ".join(f"{name}: {why}" for name, why in failed.items())[:1000]

        def text() -> str:
            return f"it has ended{failures}.{self._text_of_best} Results: {page}"

        self._post("end", text, reason=reason, report=page)

    def broke(self, error: BaseException) -> None:
        """Post that the sweep has ended without results."""
        stopped = isinstance(error, KeyboardInterrupt)
        reason = "it was stopped" if stopped else f"{type(error).__name__}: {error}"[:1000]
        if self._plan is not None:
            self._post("end", f"it has ended before its time: {reason}", reason=reason)

    def _recipes(self) -> Mapping[str, Training]:
        assert self._plan is not None
        return (self._growth.tree if self._growth else self._plan.tree).recipes

    def _ending_at(self, state: str) -> list[str]:
        """Labels of the recipes whose last state this is, those that were added included."""
        for label, training in self._recipes().items():
            if label not in self._known:
                self._known.add(label)
                name = training.chain.name(training.chain.steps)
                self._ends.setdefault(name, []).append(label)
        return self._ends.get(state, [])

    def _compare(self, label: str, silent: bool = False) -> None:
        assert self._plan is not None
        (sweep,) = self._plan.sweeps
        growth, states = self._growth, self._states
        assert states is not None
        variants = (growth.definition if growth else sweep.definition).variants
        variant = next((each for each in variants if each.label == label), None)
        if variant is None or variant.kind in BASELINES or "best" not in self._wanted:
            return
        training = self._recipes()[label]
        new, self._new = self._new, []

        def compare() -> Message | None:
            states.know(new)
            found = self._best.told(outcome_of(sweep, variant, training, states))
            if found is None:
                return None
            self._text_of_best = f" Best: {found.label}, {found.goal} {found.value:.4f}."
            before = "" if found.before is None else f", before {found.before:.4f}"
            text = f"best so far: {found.label}, {found.goal} {found.value:.4f}{before}"
            if silent or "best" not in self._on:
                return None
            numbers = {"value": found.value, "previous_best": found.before}
            return self._message("best", text, recipe=label, measure=found.goal, **numbers)

        if self._webhook is not None:
            self._webhook.post(compare)

    @property
    def _wanted(self) -> tuple[Occasion, ...]:
        """What is computed: the message at the end names the best."""
        return (*self._on, "best") if "end" in self._on else self._on

    def _post(self, kind: Occasion, text: str | Callable[[], str], **fields: Any) -> None:
        if self._webhook is not None and kind in self._on:
            made = text if callable(text) else lambda: text
            self._webhook.post(lambda: self._message(kind, made(), **fields))

    def _message(self, kind: Occasion, text: str, **fields: Any) -> Message:
        return {
            "text": f"raycl, sweep {self._sweep}: {text}",
            "sweep": self._sweep,
            "kind": kind,
        } | {name: value for name, value in fields.items() if value not in (None, "")}


@contextmanager
def notifying(
    definition: Definition, storage: Storage, report: Callable[[str], None]
) -> Iterator[Notifier]:
    """A notifier as long as the block lasts, by whose error it is told how the sweep has ended.

    Raises InputError where the recipe's variable holds no URL.
    """
    wanted: Notify | None = definition.recipe.notify
    if wanted is None:
        yield Notifier(definition, storage, None)
        return
    webhook = Webhook(webhook_url(wanted.url_variable), report)
    notifier = Notifier(definition, storage, webhook)
    is_interrupted = False
    try:
        yield notifier
    except BaseException as error:
        is_interrupted = isinstance(error, KeyboardInterrupt)
        notifier.broke(error)
        raise
    finally:
        webhook.close(is_interrupted)
