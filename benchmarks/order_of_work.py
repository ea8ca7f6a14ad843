"""Orders of work on a played clock: how near each comes to the least time that a tree can take.

The frontier itself hands out the nodes; only the training of a node is a number of seconds. Every
time is divided by the larger one of work / slots and the longest path, which no order can beat; in
the rows of seven nodes by the least time that any order takes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.least_time import least_time
from benchmarks.made_up_trees import Timed, made_up_tree
from benchmarks.order_rules import RULES, first_come, whole_chains
from raycl.plan.bounds import better_bound, simple_bound
from raycl.plan.order_of_work import node_time
from raycl.plan.played import last_end, played
from raycl.plan.tree import Node, Tree
from raycl.recipe.definition import corpus_facts, define, make_tree

SLOTS = (2, 4, 8, 16, 32, 64)
GRID = "Tune grid"
Bound = Callable[[Sequence[Node], Mapping[str, float], int], float]

_NODES = (10, 30, 100, 300)
_WIDTHS = ((1, 2), (1, 2, 4), (1, 8), (1, 2, 4, 8, 16))
_PAPER = {"paper/e5": (16, 32, 64, 128), "paper/e7": (48, 96, 144, 192)}


@dataclass(frozen=True)
class Case:
    """A tree on so many slots, in a row of the table."""

    row: str
    timed: Timed
    slots: int
    truth: Timed | None = None
    """What its nodes really take, where the order does not know it."""
    bound: Bound = simple_bound
    """What makespans are divided by."""


@dataclass(frozen=True)
class Measured:
    """Makespans of one case, each divided by the case's bound."""

    by_rule: dict[str, float]
    least: float
    """The better lower bound, divided by the case's."""


def recipe_tree(name: str, scale: str | None) -> Tree:
    """The tree of a recipe in the package, as `raycl plan` makes it without any text."""
    definition = define(Path(name), (), scale)
    return make_tree(definition, corpus_facts(definition, None))


def timed(tree: Tree) -> Timed:
    """A tree whose nodes take as long as their FLOPs by worker say."""
    return Timed(tree, {node.name: node_time(node) for node in tree.nodes})


def paper_cases() -> Iterator[Case]:
    """The paper's recipes at full size, and at tiny scale on every number of slots."""
    for name, slots in _PAPER.items():
        full, tiny = timed(recipe_tree(name, None)), timed(recipe_tree(name, "tiny"))
        for count in slots:
            yield Case(f"{name}, {full.widest} workers a node", full, count)
        for count in SLOTS:
            yield Case(f"{name} --scale tiny", tiny, count)


def random_cases(seeds: int) -> Iterator[Case]:
    """Random trees by what makes them hard."""
    for seed, deep in product(range(seeds), (False, True)):
        random = Random(seed)
        count = random.choice(_NODES)
        one = made_up_tree(random, count, deep=deep)
        models = made_up_tree(random, count, slowness=(1, 4, 25), deep=deep)
        several = made_up_tree(random, count, random.choice(_WIDTHS), (1, 4), deep)
        for slots in SLOTS:
            yield Case("random, one worker", one, slots)
            yield Case("the same, 60 s to start a node", one, slots, _later(one, 60.0))
            yield Case("the same, times wrong by up to 30 %", one, slots, _wrong(one, random))
            yield Case("random, models of three sizes", models, slots)
            if several.widest <= slots:
                row = "up to half of the slots" if several.widest <= slots / 2 else "all slots"
                yield Case(f"random, several workers, {row}", several, slots)


def small_cases(seeds: int) -> Iterator[Case]:
    """Random trees so small that the least time is known."""
    for seed, deep in product(range(seeds), (False, True)):
        random = Random(seed)
        small = made_up_tree(random, 7, random.choice(_WIDTHS), (1, 4), deep)
        for row, slots in (("all", small.widest), ("up to half of the", 2 * small.widest)):
            yield Case(f"seven nodes, {row} slots, of the optimum", small, slots, bound=least_time)


def _later(timed: Timed, seconds: float) -> Timed:
    return Timed(timed.tree, {name: own + seconds for name, own in timed.seconds.items()})


def _wrong(timed: Timed, random: Random) -> Timed:
    wrong = {name: own * random.uniform(0.7, 1.3) for name, own in timed.seconds.items()}
    return Timed(timed.tree, wrong)


def measure(case: Case) -> Measured:
    """Play all rules on a case."""
    nodes, known, slots = case.timed.tree.nodes, case.timed.seconds, case.slots
    truth = (case.truth or case.timed).seconds
    bound = case.bound(nodes, truth, slots)

    def takes(node: Node, workers: int) -> float:
        return truth[node.name] * node.training.workers / workers

    by_rule = {
        name: last_end(played(rule(nodes, known, slots), takes)) / bound
        for name, rule in RULES.items()
    }
    trials, alone = whole_chains(case.timed.tree, truth)
    grid = played(first_come(trials, alone, slots), lambda node, _: alone[node.name])
    return Measured(
        {**by_rule, GRID: last_end(grid) / bound}, better_bound(nodes, truth, slots) / bound
    )


def table(cases: Sequence[tuple[str, Measured]]) -> Iterator[str]:
    """A line for each row of cases and each rule: how near the bound its makespans are."""
    titles = "trees | order | cases | median | 9 of 10 below | worst | within 10 %"
    yield f"| {titles} | of the better bound |"
    yield "|---|---|---|---|---|---|---|---|"
    rows = dict.fromkeys(row for row, _ in cases)
    for row in rows:
        own = [measured for name, measured in cases if name == row]
        for rule in own[0].by_rule:
            yield _line(row, rule, own)


def _line(row: str, rule: str, cases: Sequence[Measured]) -> str:
    times = sorted(case.by_rule[rule] for case in cases)
    near = sum(time <= 1.1 for time in times) / len(times)
    nearer = sum(case.by_rule[rule] <= 1.1 * case.least for case in cases) / len(cases)
    ninth = times[int(0.9 * (len(times) - 1))]
    return (
        f"| {row} | {rule} | {len(times)} | {median(times):.3f} | {ninth:.3f} | {times[-1]:.3f} "
        f"| {near:.0%} | {nearer:.0%} |"
    )


def distinct_steps(tree: Tree) -> int:
    """How many different steps the recipes of a tree have, counted by the names of their ends."""
    chains = [training.chain for training in tree.recipes.values()]
    return len({chain.name(step) for chain in chains for step in range(1, chain.steps + 1)})


def steps_trained(tree: Tree, slots: int) -> int:
    """Steps of all nodes that a frontier has handed out."""
    steps = {node.name: node.steps for node in tree.nodes}
    spans = played(RULES["longest path"](tree.nodes, timed(tree).seconds, slots), lambda *_: 1.0)
    return sum(steps[span.name] for span in spans)


def main() -> None:
    """Print the table, and the steps of the paper's recipes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="random trees of each kind")
    seeds = parser.parse_args().seeds
    cases = [*paper_cases(), *random_cases(seeds), *small_cases(seeds)]
    for line in table([(case.row, measure(case)) for case in cases]):
        print(line)
    for name in _PAPER:
        tree = recipe_tree(name, "tiny")
        print(
            f"{name} --scale tiny: {steps_trained(tree, 4):,} steps trained, "
            f"{distinct_steps(tree):,} distinct, {tree.steps_alone:,} in a grid"
        )


if __name__ == "__main__":
    main()
