"""The sweeps of a storage, for a program: results, histories, models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from raycl.advice.advice import Advice
from raycl.advice.stored import stored_advice
from raycl.api.model import Model
from raycl.api.prices import Bill, PricesLike, prices_of_any
from raycl.errors import InputError
from raycl.results.best_recipe import best_recipe
from raycl.results.named_state import named_state
from raycl.results.outcome import RecipeOutcome
from raycl.results.settings import settings_table
from raycl.results.standing import lost_recipes
from raycl.results.stored_results import outcomes_of, stored_plan
from raycl.results.table import read_results, results_table
from raycl.states.tree_record import find_tree_record, stored_sweeps
from raycl.storage import Storage, layout


@dataclass(frozen=True)
class Runs:
    """A storage, and the sweep in it that is meant. Everything is read when it is asked for."""

    storage: str
    """Its folder or URL."""
    sweep: str | None = None
    """None: the only one."""

    @property
    def sweeps(self) -> tuple[str, ...]:
        """The names of all sweeps in the storage."""
        return tuple(stored_sweeps(self._place))

    @property
    def results(self) -> pd.DataFrame:
        """The results table, one line for each recipe; docs/metrics.md defines its columns.

        It is computed from what the storage holds, also while the sweep runs. Where states that
        results were written of are gone, it is the table that was written. Raises InputError.
        """
        outcomes = self._outcomes()
        if lost_recipes(self._place, self._chosen, outcomes):
            return read_results(self._place, self._chosen)
        return results_table(outcomes)

    @property
    def settings(self) -> pd.DataFrame:
        """One line for each setting: means over seeds and their noise (docs/seeds.md).

        Without `seeds` in the recipe each recipe is a setting with one seed. Raises InputError.
        """
        return settings_table(self.results)

    def history(self, label: str) -> pd.DataFrame:
        """One line for each step of a recipe, named by its label: docs/metrics.md has its columns.

        Raises InputError where there is no such recipe.
        """
        histories = {outcome.label: outcome.history for outcome in self._outcomes()}
        if label not in histories:
            where = f"{label!r} in the sweep {self._chosen!r}"
            raise InputError(where, "no such recipe", f"Recipes: {'; '.join(histories)}")
        return histories[label]

    @property
    def status(self) -> pd.DataFrame:
        """One line for each node: how far it is, and its newest numbers where it is trained now.

        The columns from `status` on are those of `raycl status --json` (docs/watching.md).
        """
        from raycl.sweep.status import sweep_status

        nodes = sweep_status(self._place, self._chosen).nodes
        columns = ["stage", "recipes", "steps", "saved", "finished", "training", "name"]
        columns += ["status", "step", "loss", "tokens_per_second", "seconds_left"]
        return pd.DataFrame(nodes)[columns].rename(columns={"name": "state"})

    def bill(self, prices: PricesLike | None = None) -> Bill | None:
        """What led to the sweep's stored states so far: docs/costs.md says what is in a bill.

        Without `prices` those count that the sweep was last told; None where it was told none.
        Raises InputError where nothing of the sweep is described yet, or a record is damaged.
        """
        from raycl.sweep.costs import sweep_bill

        find_tree_record(self._place, self._chosen)
        told = None if prices is None else prices_of_any(prices)
        found = sweep_bill(self._place, self._chosen, told)
        return None if found is None else Bill.of(found)

    def best(self, by: str | None = None) -> Model:
        """The finished recipe, no baseline, with the lowest value in a column of the results.

        By default that is what the sweep's search compares, and in any other sweep the mean loss
        over old and new text; the name of a corpus means the loss
        on it. Raises InputError where none is finished, or where the numbers do not compare.
        """
        tree = find_tree_record(self._place, self._chosen)
        label, state = best_recipe(self._place, self._chosen, tree, by)
        return Model(self.storage, state, self._chosen, label)

    def model(self, reference: str) -> Model:
        """The model that a label, a state's name or its beginning, or `best` means.

        Raises InputError where none is meant, or several are.
        """
        found = named_state(self._place, reference, self.sweep)
        return Model(self.storage, found.state, found.sweep, found.label)

    @property
    def advice(self) -> Advice:
        """What to use and why, by the objective of the search or the average: `advise()`."""
        return self.advise()

    def advise(self, objective: str | None = None) -> Advice:
        """What to use and why, its uncertainty, and the next command, as `raycl advise` says it.

        `objective` is a corpus, a column of the results or weights of corpora
        ("english=0.7,german=0.3"). Raises InputError where it is none of these.
        """
        return stored_advice(self._place, self._chosen, objective)

    @property
    def report(self) -> str:
        """The path or URL of the sweep's page."""
        return self._place.full_path(layout.sweep_report(self._chosen))

    @cached_property
    def _place(self) -> Storage:
        return Storage(self.storage)

    @property
    def _chosen(self) -> str:
        known = self.sweeps
        if self.sweep is not None and self.sweep in known:
            return self.sweep
        if self.sweep is None and len(known) == 1:
            return known[0]
        where = f"storage {self.storage!r}"
        if not known:
            raise InputError(where, "no sweep here", "Run `raycl.sweep(recipe, storage)` first")
        problem = f"{len(known)} sweeps here" if self.sweep is None else f"no sweep {self.sweep!r}"
        raise InputError(where, problem, f"Give `sweep`, one of: {', '.join(known)}")

    def _outcomes(self) -> list[RecipeOutcome]:
        return outcomes_of(stored_plan(self._place, self._chosen), self._place)


def load(storage: str | Path, sweep: str | None = None) -> Runs:
    """The sweeps of a storage; `sweep` names one where there are several.

    Raises InputError where the storage has no sweep, or none of this name.
    """
    runs = Runs(str(storage), sweep)
    if sweep is not None or not runs.sweeps:
        runs._chosen  # noqa: B018 (it raises)
    return runs
