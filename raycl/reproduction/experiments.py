"""The paper's experiments: its recipe files, each for several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from raycl.errors import InputError
from raycl.recipe.definition import Definition, define, definition_of
from raycl.recipe.packaged import by_number


@dataclass(frozen=True)
class Experiment:
    """One recipe file of the paper with one seed."""

    name: str
    seed: int
    definition: Definition


def load_experiments(
    folder: Path,
    scale: str | None,
    seeds: Sequence[int],
    only: Sequence[str] = (),
    once: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> list[Experiment]:
    """Every recipe file of a folder for every seed, in the order of their numbers.

    `only` keeps the files whose names begin with one of its words. A file whose name begins with
    one of `once` gets the first seed alone.
    Raises InputError where a file is no recipe or nothing is left.
    """
    paths = sorted(folder.glob("*.yaml"), key=lambda path: by_number(path.stem))
    kept = [p for p in paths if not only or p.stem.startswith(tuple(only))]
    if not kept:
        known = ", ".join(path.stem for path in paths) or "none"
        raise InputError(f"{folder} --only {','.join(only)}", "no recipe", f"Known: {known}")
    experiments = []
    for path in kept:
        for seed in seeds[:1] if once and path.stem.startswith(tuple(once)) else seeds:
            made = define(path, (f"seed={seed}", *overrides), scale)
            data = {**made.data, "name": f"{made.recipe.name}-seed-{seed}"}
            experiments.append(Experiment(made.recipe.name, seed, definition_of(data, made.where)))
    return experiments
