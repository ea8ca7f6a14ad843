"""Samplers of a search side by side, on a table of real trainings that is made smooth.

Every search is raycl's own: its study proposes, its halving stops recipes early. Only the training
of a recipe is looked up. One recipe is trained at a time.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from benchmarks.measured_surface import RATE, RECIPE, REPLAY, Surface, read_surface, write_table
from raycl.plan.early_stopping import Halving, rungs
from raycl.recipe.definition import Definition, definition_of
from raycl.recipe.proposals import Proposal
from raycl.recipe.space import Fields
from raycl.search.samplers import Known
from raycl.search.study import Study
from raycl.storage import Storage

_MEMORY = Path("/dev/shm")
"""Proposals are written there, since a disk would take longer for them than the samplers do."""
NEAR = 0.01
"""Nats within which a search has found the best."""
WHOLE = 16
"""Trainings to the end that a search may take, in steps."""
_STOPPING = {"kind": "asha", "stage": "german", "first": "4 steps", "factor": 3}
METHODS: dict[str, dict[str, Any]] = {
    "random": {"sampler": "random", "trials": WHOLE},
    "tpe": {"sampler": "tpe", "trials": WHOLE},
    "gp": {"sampler": "gp", "trials": WHOLE},
    "random, asha": {"sampler": "random", "trials": 1000, "early_stopping": _STOPPING},
    "tpe, asha": {"sampler": "tpe", "trials": 1000, "early_stopping": _STOPPING},
}
"""What stands under `search` in the recipe."""


@dataclass(frozen=True)
class Progress:
    """A search at one of its moments."""

    trials: int
    """Recipes that it has proposed."""
    steps: int
    """Steps that it has trained."""
    regret: float
    """How much its best finished recipe is above the best of the surface; infinite without one."""


class PlayedStudy(Study):
    """A study whose recipes are neither planned as a tree nor trained.

    That every point can be trained, and as a training of its own, is taken for granted. Whatever
    decides which point is proposed is the study's.
    """

    def told(self, number: int, loss: float) -> None:
        """Tell the result of a proposal that is through."""
        (made,) = (each for each in self.proposals if each.number == number)
        self._own[number] = Known(made.fields, (loss,))
        self._at_rungs.pop(number, None)

    def _add(self, *proposals: Proposal) -> None:
        self.definition = replace(
            self.definition, proposals=(*self.definition.proposals, *proposals)
        )

    def _resolved(self, fields: Fields) -> Proposal | None:
        return Proposal(
            number=len(self.proposals),
            fields=dict(fields),
            source=self.search.sampler,
            sweep=self.definition.recipe.name,
        )


def definition(surface: Surface, search: Mapping[str, Any], on_points: bool = False) -> Definition:
    """The recipe of the table with a search over its range; `on_points` over its points alone."""
    rates: Any = surface.rates if on_points else {"log": _ends(surface.rates)}
    shares: Any = surface.shares if on_points else {"uniform": _ends(surface.shares)}
    data = yaml.safe_load(RECIPE.read_text())
    data |= {"sweep": {RATE: rates, REPLAY: shares}, "search": dict(search)}
    return definition_of(data, str(RECIPE))


def _ends(values: Sequence[float]) -> list[float]:
    return [values[0], values[-1]]


def play(searched: Definition, surface: Surface, most: int) -> list[Progress]:
    """One search, until it has trained `most` steps or is over: its moments, one a training."""
    with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        study = PlayedStudy(searched, Storage(folder))
        return list(_moments(study, surface, most))


def _moments(study: PlayedStudy, surface: Surface, most: int) -> Iterator[Progress]:
    stopping = study.search.early_stopping
    halving = Halving(stopping.factor if stopping else 2)
    waits: tuple[int, ...] = ()
    if stopping:
        first = float(stopping.first.steps(surface.end, 1))
        waits = rungs(0, surface.end, first, stopping.factor)
    fields: dict[str, Fields] = {}
    done: dict[str, int] = {}
    lowest, trained = float("inf"), 0
    while (label := halving.promote() or _proposed(study, halving, waits, fields)) is not None:
        stop = int(min(halving.limit(label), surface.end))
        trained += stop - done.get(label, 0)
        if trained > most:
            return
        done[label], loss = stop, surface.loss(fields[label], stop)
        halving.reached(label, stop, loss)
        if stop == surface.end:
            study.told(int(label), loss)
            lowest = min(lowest, loss)
        else:
            study.reached(int(label), stop, loss)
        yield Progress(len(fields), trained, lowest - surface.best)


def _proposed(
    study: Study, halving: Halving, waits: Sequence[int], fields: dict[str, Fields]
) -> str | None:
    """The label of a new recipe; None where the search is over."""
    made = study.propose()
    if made is None:
        return None
    label = str(made.number)
    fields[label] = made.fields
    halving.enter(label, waits)
    return label


def after_steps(moments: Sequence[Progress], steps: int) -> float:
    """The regret of a search once it has trained so many steps."""
    return min((each.regret for each in moments if each.steps <= steps), default=float("inf"))


def after_trials(moments: Sequence[Progress], trials: int) -> float:
    """The regret of a search before it proposes more than so many recipes."""
    return min((each.regret for each in moments if each.trials <= trials), default=float("inf"))


def cell(regrets: Sequence[float]) -> str:
    """Mean regret, its 95 % interval by the bootstrap, and how many searches are near the best.

    A dash where a search has no finished recipe yet.
    """
    found = np.array(regrets)
    if not np.isfinite(found).all():
        return "–"
    drawn = np.random.default_rng(0).choice(found, (4000, len(found))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return f"{found.mean():.3f} ({low:.3f}–{high:.3f}), {(found <= NEAR).mean():.0%}"


def tables(
    played: Mapping[str, Sequence[Sequence[Progress]]], surface: Surface, at: Sequence[int]
) -> Iterator[str]:
    """Two tables in Markdown: by what was trained, and by what was proposed."""
    yield f"| steps trained | {' | '.join(f'{count * surface.end:,}' for count in at)} | proposed |"
    yield f"|---|{'---|' * (len(at) + 1)}"
    for name, searches in played.items():
        cells = [cell([after_steps(one, n * surface.end) for one in searches]) for n in at]
        proposed = np.mean([one[-1].trials for one in searches])
        yield f"| {name} | {' | '.join(cells)} | {proposed:.0f} |"
    yield ""
    yield f"| recipes proposed | {' | '.join(map(str, at))} |"
    yield f"|---|{'---|' * len(at)}"
    for name, searches in played.items():
        cells = [cell([after_trials(one, n) for one in searches]) for n in at]
        yield f"| {name} | {' | '.join(cells)} |"


def searches(method: str, surface: Surface, seeds: int, whole: int) -> list[list[Progress]]:
    """The searches of a method, one for each seed, as long as `whole` trainings."""
    made = [definition(surface, {**METHODS[method], "seed": seed}) for seed in range(seeds)]
    return [play(each, surface, whole * surface.end) for each in made]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="searches of each method")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--write-table", metavar="STORAGE", help="only make samplers.csv anew")
    given = parser.parse_args()
    if given.write_table:
        write_table(given.write_table)
        return
    surface = read_surface()
    played = {name: searches(name, surface, given.seeds, WHOLE) for name in given.methods}
    for line in tables(played, surface, (4, 8, WHOLE)):
        print(line)


if __name__ == "__main__":
    main()
