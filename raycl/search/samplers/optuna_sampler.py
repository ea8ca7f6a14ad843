"""Optuna's samplers: a study is made anew in memory for each proposal, from all that is known."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from raycl.errors import InputError
from raycl.libraries import how_to_install
from raycl.recipe.space import Axis, Choices, Fields, Space, parameter, value_at
from raycl.search.samplers.sampler import History, Known, Rung

_LEAST_STARTUP, _MOST_STARTUP = 4, 10
_LEAST_POPULATION, _MOST_POPULATION = 6, 50


@dataclass(frozen=True)
class OptunaSampler:
    """`tpe`, `nsga2` or `gp`: tree-structured Parzen estimators, a genetic one, Gaussian processes.

    Raises InputError where Optuna is not installed.
    """

    name: str
    space: Space
    goals: int
    """Numbers that are minimised."""
    trials: int | None
    """How many points will be proposed in all, where it is known: few need a shorter beginning."""

    def __post_init__(self) -> None:
        try:
            import optuna
        except ImportError as error:
            remedy = f"Run `{how_to_install('optuna')}`, or give the sampler `random`"
            where = f"search.sampler {self.name}"
            raise InputError(where, "it needs Optuna, which is not installed", remedy) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)

    def ask(self, history: History, seed: int) -> dict[str, Any]:
        """The next point, by Optuna's sampler of that name."""
        import optuna

        sampler = self._sampler(seed)
        study = optuna.create_study(sampler=sampler, directions=["minimize"] * self.goals)
        distributions = {field: _distribution(axis) for field, axis in self.space.axes.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on what is experimental in Optuna
            for known in history.known:
                self._add(study, distributions, known)
            prunes = self.name == "tpe" and self.goals == 1  # the others have no use for rungs
            for rung in history.at_rungs if prunes else ():
                study.add_trial(self._pruned(distributions, rung))
            for fields in history.running if prunes else history.without_result:
                study.add_trial(self._begun(distributions, fields))
            found = study.ask(distributions).params
        return {field: value_at(axis, found[field]) for field, axis in self.space.axes.items()}

    def _sampler(self, seed: int) -> Any:
        from optuna import samplers

        begin = _within(_LEAST_STARTUP, (self.trials or 1000) // 3, _MOST_STARTUP)
        population = _within(_LEAST_POPULATION, (self.trials or 100) // 5, _MOST_POPULATION)
        made: dict[str, Callable[[], Any]] = {
            "tpe": lambda: samplers.TPESampler(seed=seed, n_startup_trials=begin),
            "gp": lambda: samplers.GPSampler(
                seed=seed, n_startup_trials=begin, warn_independent_sampling=False
            ),
            "nsga2": lambda: samplers.NSGAIISampler(seed=seed, population_size=population),
        }
        return made[self.name]()

    def _add(self, study: Any, distributions: Mapping[str, Any], known: Known) -> None:
        """Add a point with its result, as if the study had proposed it."""
        import optuna

        bounds = {str(place): value for place, value in enumerate(known.constraints)}
        study.add_trial(self._begun(distributions, known.fields, bounds))
        trial = study.get_trials(deepcopy=False)[-1]
        if hasattr(study.sampler, "get_trial_generation"):
            study.sampler.get_trial_generation(study, trial)  # books it in its population
        if known.objectives is None:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial.number, list(known.objectives))

    def _pruned(self, distributions: Mapping[str, Any], rung: Rung) -> Any:
        """The parzen estimators rank these behind all results, the deepest and lowest first."""
        from optuna.trial import TrialState, create_trial

        return create_trial(
            state=TrialState.PRUNED,
            params=self._parameters(rung.fields),
            distributions=dict(distributions),
            intermediate_values={rung.step: rung.value},
        )

    def _parameters(self, fields: Fields) -> dict[str, Any]:
        return {field: parameter(axis, fields[field]) for field, axis in self.space.axes.items()}

    def _begun(
        self,
        distributions: Mapping[str, Any],
        fields: Fields,
        bounds: Mapping[str, float] | None = None,
    ) -> Any:
        from optuna.trial import TrialState, create_trial

        return create_trial(
            state=TrialState.RUNNING,
            params=self._parameters(fields),
            distributions=dict(distributions),
            constraints=dict(bounds) if bounds else None,
        )


def _within(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _distribution(axis: Axis) -> Any:
    from optuna import distributions

    if isinstance(axis, Choices):
        return distributions.CategoricalDistribution(tuple(range(len(axis.values))))
    if axis.kind == "integers":
        return distributions.IntDistribution(int(axis.low), int(axis.high))
    low, high = float(axis.low), float(axis.high)
    return distributions.FloatDistribution(low, high, log=axis.kind == "log")
