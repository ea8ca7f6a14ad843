"""The paper's experiments: their recipe files, for several seeds, as one tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from raycl.errors import InputError
from raycl.plan.training import Training
from raycl.plan.tree import Tree, build_tree
from raycl.recipe import Recipe
from raycl.recipe.definition import (
    LEAST_SHARED,
    Definition,
    corpus_facts,
    define,
    definition_of,
    trainings,
)
from raycl.storage import Storage


@dataclass(frozen=True)
class Experiment:
    """One recipe file of the paper with one seed."""

    name: str
    seed: int
    definition: Definition

    def label(self, recipe: str) -> str:
        """How one of its recipes is called among those of all experiments."""
        return f"{self.definition.recipe.name}: {recipe}"


def load_experiments(
    folder: Path,
    scale: str | None,
    seeds: Sequence[int],
    only: Sequence[str] = (),
    once: Sequence[str] = (),
    overrides: Sequence[str] = (),
) -> list[Experiment]:
    """Every recipe file of a folder for every seed, in the order of their numbers.

    `only` keeps names that begin so; names that begin as one of `once` get the first seed alone.
    Raises InputError where a file is no recipe or nothing is left.
    """
    paths = sorted(folder.glob("*.yaml"), key=lambda path: _order(path.stem))
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


def _order(stem: str) -> tuple[str, int, str]:
    """e2 before e10."""
    head = stem.partition("-")[0]
    return head[:1], int(head[1:]) if head[1:].isdigit() else 0, stem


def material_recipe(experiments: Sequence[Experiment]) -> Recipe:
    """One recipe with the corpora of all, to prepare them with one tokenizer.

    Raises InputError where two experiments mean different things by a name.
    """
    corpora: dict[str, Any] = {}
    first = experiments[0].definition.recipe
    for experiment in experiments:
        recipe, where = experiment.definition.recipe, experiment.definition.where
        if (recipe.tokenizer, recipe.sequence_length) != (first.tokenizer, first.sequence_length):
            raise InputError(
                f"{where}: tokenizer or sequence_length",
                f"not that of {experiments[0].name}",
                "Experiments that share a storage need the same ones",
            )
        for name, corpus in recipe.corpora.items():
            if corpora.setdefault(name, corpus) != corpus:
                raise InputError(
                    f"{where}: corpora.{name}",
                    "another experiment defines it differently",
                    "Make them equal, or give it another name",
                )
    return first.model_copy(update={"corpora": corpora})


def experiments_tree(experiments: Sequence[Experiment], storage: Storage | None) -> Tree:
    """All recipes of all experiments as one tree. Raises InputError."""
    return build_tree(dict(_all_trainings(experiments, storage)), LEAST_SHARED)


def _all_trainings(
    experiments: Sequence[Experiment], storage: Storage | None
) -> Iterator[tuple[str, Training]]:
    for experiment in experiments:
        facts = corpus_facts(experiment.definition, storage)
        for label, training in trainings(experiment.definition, facts).items():
            yield experiment.label(label), training


def subtree(tree: Tree, experiment: Experiment) -> Tree:
    """The part of the tree that one experiment's recipes run along, under their own labels."""
    names = {experiment.label(v.label): v.label for v in experiment.definition.variants}
    nodes = tuple(
        replace(node, recipes=tuple(names[label] for label in node.recipes if label in names))
        for node in tree.nodes
        if any(label in names for label in node.recipes)
    )
    recipes: Mapping[str, Training] = {
        names[label]: training for label, training in tree.recipes.items() if label in names
    }
    return Tree(nodes, recipes)
