"""Searchers of Ray Tune as samplers; nothing else of a search knows Ray.

Every searcher takes points to evaluate first. So one is made anew for each proposal: it proposes
all that is known, is told the results, and then proposes what comes next.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ray import tune
from ray.tune import search
from ray.tune.search import Searcher

from raycl.errors import InputError
from raycl.recipe.schema.search import TUNE
from raycl.recipe.space import Axis, Choices, Fields, Space, parameter, value_at
from raycl.search.samplers.sampler import History

_METRIC = "objective"
_SEEDS = ("random_state_seed", "seed", "random_state", "random_seed")
"""What searchers call the number from which they draw."""


@dataclass(frozen=True)
class TuneSampler:
    """The searcher of Ray Tune with this class name. Raises InputError where there is none."""

    name: str
    space: Space

    def __post_init__(self) -> None:
        self._check(self._searcher([], 0))

    def ask(self, history: History, seed: int) -> dict[str, Any]:
        """The next point, by the searcher."""
        known = list(history.known)
        fields = (*(one.fields for one in known), *history.without_result)
        points = [self._config(each) for each in fields]
        searcher = self._searcher(points, seed)
        for place in range(len(points)):
            searcher.suggest(str(place))
        for place, told in enumerate(known):
            result = None if told.objectives is None else {_METRIC: told.objectives[0]}
            searcher.on_trial_complete(str(place), result, error=result is None)
        found = searcher.suggest(str(len(points)))
        if not isinstance(found, dict):
            raise InputError(f"search.sampler {TUNE}{self.name}", "it proposes nothing", _OTHER)
        return {f: value_at(axis, found[_word(f)]) for f, axis in self.space.axes.items()}

    def _searcher(self, points: list[dict[str, Any]], seed: int) -> Searcher:
        made: Any = searcher_class(self.name)
        accepted = inspect.signature(made).parameters
        named = {name: seed % 2**31 for name in _SEEDS if name in accepted}
        try:
            searcher: Searcher = made(**named, **({"points_to_evaluate": points} if points else {}))
            searcher.set_search_properties(_METRIC, "min", self._domains)
        except (AssertionError, ImportError, TypeError, ValueError) as error:
            where = f"search.sampler {TUNE}{self.name}"
            said = " ".join(str(error).split()).rstrip(".")
            raise InputError(where, f"Ray Tune cannot make it: {said}", _OTHER) from error
        return searcher

    @property
    def _domains(self) -> dict[str, Any]:
        return {_word(field): _domain(axis) for field, axis in self.space.axes.items()}

    def _check(self, searcher: Searcher) -> None:
        if "points_to_evaluate" not in inspect.signature(type(searcher)).parameters:
            problem = "it takes no known results, so that a search with it could not go on"
            raise InputError(f"search.sampler {TUNE}{self.name}", problem, _OTHER)

    def _config(self, fields: Fields) -> dict[str, Any]:
        return {_word(f): parameter(axis, fields[f]) for f, axis in self.space.axes.items()}


_OTHER = "Give another sampler: tpe, gp, nsga2 or random"


def searcher_class(name: str) -> type[Searcher]:
    """The searcher of Ray Tune with this class name. Raises InputError where there is none."""
    known = dict(_searchers())
    if name not in known:
        where, remedy = f"search.sampler {TUNE}{name}", f"Known: {', '.join(sorted(known))}"
        raise InputError(where, "Ray Tune has no such searcher here", remedy)
    return known[name]


def _searchers() -> Iterator[tuple[str, type[Searcher]]]:
    for module in pkgutil.iter_modules(search.__path__):
        if not module.ispkg:
            continue
        package = importlib.import_module(f"{search.__name__}.{module.name}")
        for name, found in vars(package).items():
            if inspect.isclass(found) and issubclass(found, Searcher):
                yield name, found


def _word(field: str) -> str:
    """A field's name without the signs that have a meaning in names of Tune's parameters."""
    return field.replace(".", "__").replace("/", "__")


def _domain(axis: Axis) -> Any:
    if isinstance(axis, Choices):
        return tune.choice(list(range(len(axis.values))))
    if axis.kind == "integers":
        return tune.randint(int(axis.low), int(axis.high) + 1)
    draw = tune.loguniform if axis.kind == "log" else tune.uniform
    return draw(float(axis.low), float(axis.high))
