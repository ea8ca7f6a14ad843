"""One sweep of a storage as it is watched; what cannot have changed is not computed again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

import pandas as pd

from raycl.advice.advise import advise
from raycl.advice.stored import source_of
from raycl.dashboard.listed_files import Known
from raycl.dashboard.listed_storage import ListedStorage
from raycl.errors import InputError
from raycl.recipe.stored_recipe import read_recipe, recipe_text
from raycl.recipe.sweep_plan import PlannedSweep, SweepPlan
from raycl.results.gather import gather
from raycl.results.standing import lost_recipes
from raycl.results.stored_results import stored_plan
from raycl.results.stored_states import StoredStates
from raycl.results.table import read_results, results_table
from raycl.storage import layout
from raycl.sweep.description import check_names, merges_left
from raycl.sweep.page_nodes import PageNodes, page_nodes
from raycl.sweep.results import missing_parts, sweep_facts
from raycl.watch.contract import NodeLine, SweepLine
from raycl.watch.snapshot import SweepFacts, sweep_line

_PAGE = layout.sweep_report("name").rpartition("/")[2]
_WRITTEN_LAST = (_PAGE, "figures", "tensorboard", "history")
"""What a sweep writes for people: nothing here depends on it."""
_TIMES_AS_LONG = 5.0
"""Results that are to be computed often are given this many times as long a rest."""
_Files = Mapping[str, Known]


@dataclass
class WatchedSweep:
    """A sweep of a storage, and what was read of it at the last look."""

    name: str
    nodes: list[NodeLine] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    _planned: tuple[_Files, SweepPlan] | None = None
    _known: tuple[object, SweepFacts] | None = None
    _problems: list[str] = field(default_factory=list)
    _next: float = 0.0
    is_behind: bool = False
    """Whether its results are older than its nodes; a later look has newer ones."""

    @property
    def planned(self) -> PlannedSweep | None:
        """Its plan at the last look; None where its recipe cannot be planned."""
        return self._planned[1].sweeps[0] if self._planned else None

    def read(
        self,
        storage: ListedStorage,
        states: StoredStates,
        names: Iterable[str],
        patient: bool = True,
    ) -> SweepLine:
        """The sweep at the storage's last look, whose complete states have these names.

        Results of a thousand recipes take most of a minute. Who is not patient gets those that are
        stored at first, and later those of the last time as long as computing them anew would take
        most of the time.
        """
        self.is_behind = False
        if not patient and self._known is None and self._next == 0.0:
            self._next, self.is_behind = time.monotonic(), True
            known = _as_it_was_stored(storage, self.name)
        else:
            known = self._facts(storage, states, frozenset(names), patient)
        watched = page_nodes(storage, self.name, states)
        self.nodes = _with_times(watched, storage)
        left, problems = _merges_left(storage, self.name)
        self.damaged = list(dict.fromkeys([*self._problems, *watched.damaged, *problems]))
        return sweep_line(replace(known, updated=self._updated(storage)), self.nodes, left)

    def _facts(
        self, storage: ListedStorage, states: StoredStates, names: frozenset[str], patient: bool
    ) -> SweepFacts:
        """What its recipes did, from the states that are there, or else as it was stored."""
        folder = layout.sweep(self.name)
        files = {
            path: known
            for path, known in storage.listed.files_below(folder).items()
            if path.removeprefix(f"{folder}/").partition("/")[0] not in _WRITTEN_LAST
        }
        self._problems = []
        try:
            plan = self._plan(storage, files)
            trainings = plan.sweeps[0].trainings
            deepest = tuple(states.deepest(training) for training in trainings.values())
            measured = storage.listed.files_below(layout.EVALUATIONS)
            merged = [merge.name in names for merge in plan.sweeps[0].merges]
            key = (files, deepest, measured, merged)
            began = time.monotonic()
            if self._known is not None and self._known[0] != key:
                self.is_behind = not patient and began < self._next
            if self._known is None or (self._known[0] != key and not self.is_behind):
                self._known = (key, _gathered(storage, plan.with_states(names), states))
                now = time.monotonic()
                self._next = now + _TIMES_AS_LONG * (now - began)
            return self._known[1]
        except (InputError, FileNotFoundError) as error:
            self._known = None
            self._problems = [str(error)]
            return _as_it_was_stored(storage, self.name)

    def _plan(self, storage: ListedStorage, files: _Files) -> SweepPlan:
        described = {
            path: known
            for path, known in files.items()
            if "/results." not in path and "/settings." not in path
        }
        if self._planned is None or self._planned[0] != described:
            self._planned = None
            check_names(storage, self.name)
            self._planned = (described, stored_plan(storage, self.name))
        return self._planned[1]

    def _updated(self, storage: ListedStorage) -> datetime | None:
        """When anything of the sweep was last written."""
        own = [layout.sweep_tree(self.name), layout.sweep_results(self.name, "csv")]
        files = [storage.listed.modified(path) for path in own]
        nodes = [datetime.fromisoformat(n["updated"]) for n in self.nodes if n["updated"]]
        return max([*(at for at in files if at is not None), *nodes], default=None)


def _gathered(storage: ListedStorage, plan: SweepPlan, states: StoredStates) -> SweepFacts:
    """The sweep's recipes from the states that are there. Raises InputError."""
    (planned,) = plan.sweeps
    outcomes = gather(planned, states)
    told = list(missing_parts(plan, storage, states, outcomes))
    table = results_table(outcomes)
    fields = list(dict.fromkeys(name for outcome in outcomes for name in outcome.fields))
    if lost := lost_recipes(storage, planned.name, outcomes):
        told.append(
            f"The numbers are those that were stored: the states of {len(lost)} finished recipes "
            f"are not there any more ({'; '.join(outcome.label for outcome in lost)})."
        )
        table, outcomes = read_results(storage, planned.name), []
    return SweepFacts(
        name=planned.name,
        table=table,
        outcomes=outcomes,
        fields=fields,
        facts=sweep_facts(plan, storage),
        recipe=recipe_text(planned.definition),
        told=told,
        advice=advise(outcomes, table, source_of(plan, storage)) if outcomes else None,
    )


def _as_it_was_stored(storage: ListedStorage, name: str) -> SweepFacts:
    """What can be known of a sweep whose recipes cannot be gathered any more."""
    table: pd.DataFrame | None = None
    text, fields = "", list[str]()
    with suppress(InputError, FileNotFoundError):  # the sweep's problem is told already
        definition = read_recipe(storage, name)
        text = recipe_text(definition)
        fields = list(dict.fromkeys(f for variant in definition.variants for f in variant.fields))
    with suppress(InputError):  # there are no results to show
        table = read_results(storage, name)
    return SweepFacts(name=name, table=table, fields=fields, recipe=text)


def _merges_left(storage: ListedStorage, name: str) -> tuple[list[str], list[str]]:
    try:
        return merges_left(storage, name), []
    except FileNotFoundError:
        return [], []
    except InputError as error:
        return [], [str(error)]


def _with_times(watched: PageNodes, storage: ListedStorage) -> list[NodeLine]:
    """The nodes; a finished one was written last when its state was."""
    for node in watched.lines:
        if node["status"] == "finished":
            at = storage.listed.modified(layout.state_mark(node["name"]))
            node["updated"] = node["updated"] if at is None else at.isoformat(timespec="seconds")
    return watched.lines
