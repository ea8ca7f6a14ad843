"""The recipe of a stored sweep that leads to a state, as far as the storage still knows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from raycl.errors import InputError
from raycl.plan.training import Training
from raycl.recipe import Variant
from raycl.recipe.resolution import stored_resolution
from raycl.recipe.stored_recipe import read_recipe
from raycl.recipe.sweep_plan import PlannedSweep, SweepPlan, plan_sweeps
from raycl.results.named_state import NamedState
from raycl.states.mark import MergeOrigin, StateMark, find_mark
from raycl.states.tree_record import stored_sweeps
from raycl.storage import Storage


@dataclass(frozen=True)
class Origin:
    """A recipe on whose chain a state lies."""

    plan: SweepPlan
    variant: Variant
    training: Training
    step: int

    @property
    def sweep(self) -> PlannedSweep:
        """The sweep of the recipe."""
        return self.plan.sweeps[0]

    @property
    def is_end(self) -> bool:
        """Whether the state is the recipe's last one."""
        return self.step == self.training.chain.steps


def find_origin(storage: Storage, named: NamedState, mark: StateMark) -> Origin | None:
    """The recipe that was named, or the first that leads to the state; one that ends there first.

    Of a merge it is the recipe of the state that was merged. None where several were, and where no
    stored sweep leads to the state or can be resolved any more.
    """
    if mark.merged is not None:
        return _of_merge(storage, named, mark.merged)
    sweeps = [named.sweep] if named.sweep else stored_sweeps(storage)
    found = [origin for sweep in sweeps for origin in _of_sweep(storage, sweep, mark)]
    own = [origin for origin in found if named.label in (None, origin.variant.label)]
    return next((origin for origin in own if origin.is_end), own[0] if own else None)


def _of_merge(storage: Storage, named: NamedState, merged: MergeOrigin) -> Origin | None:
    """The recipe of the one state that was merged with a model or with a state."""
    if len(merged.states) != 1:
        return None
    (state,) = merged.states
    mark = find_mark(storage, state)
    return find_origin(storage, NamedState(state, named.sweep), mark) if mark else None


def _of_sweep(storage: Storage, sweep: str, mark: StateMark) -> Iterator[Origin]:
    try:
        definition, resolution = read_recipe(storage, sweep), stored_resolution(storage, sweep)
        plan = plan_sweeps((definition,), storage, resolution=resolution)
    except (InputError, FileNotFoundError):
        return
    trainings = plan.sweeps[0].trainings
    for variant in definition.variants:
        training = trainings[variant.label]
        if mark.step <= training.chain.steps and training.chain.name(mark.step) == mark.name:
            yield Origin(plan, variant, training, mark.step)
