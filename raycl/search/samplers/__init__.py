"""Samplers by name. A new one is a class with `ask` in a module of its own, and a line here."""

from __future__ import annotations

from raycl.recipe.schema.search import TUNE, Search
from raycl.recipe.space import Space
from raycl.search.samplers.optuna_sampler import OptunaSampler
from raycl.search.samplers.random_sampler import RandomSampler
from raycl.search.samplers.sampler import History, Known, Rung, Sampler

__all__ = ["History", "Known", "Rung", "Sampler", "make_sampler"]


def make_sampler(search: Search, space: Space) -> Sampler:
    """The sampler that a recipe names. Raises InputError where it is not there."""
    if search.sampler.startswith(TUNE):
        from raycl.search.samplers.tune_sampler import TuneSampler

        return TuneSampler(search.sampler.removeprefix(TUNE), space)
    if search.sampler == "random":
        return RandomSampler(space)
    return OptunaSampler(search.sampler, space, len(search.objective.goals), search.trials)
