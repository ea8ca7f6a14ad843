"""Prints plans, steps and progress as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from raycl.cli.memory_view import memory_text, print_memory
from raycl.errors import InputError
from raycl.plan.chain import Chain
from raycl.plan.cost import NodePlan, Plan
from raycl.plan.disk import DiskUse
from raycl.recipe.merges import PlannedMerge
from raycl.recipe.sweep_plan import PlannedSweep
from raycl.units import format_bytes, format_count

_MOST_RUNS = 4
"""Runs of rows that a table shows; CSV has them all."""


def print_plan(plan: Plan, console: Console, prepared: bool) -> None:
    """Print the nodes, indented by their depth in the tree, and the cost of all."""
    table = Table(box=None, pad_edge=False)
    for column in ("node", "steps", "tokens", "FLOPs", "workers", "memory", "state", "recipes"):
        table.add_column(column, justify="left" if column in ("node", "recipes") else "right")
    depth: dict[str | None, int] = {None: -1}
    for node in _depth_first(plan.nodes):
        depth[node.name] = depth[node.parent] + 1
        indent = "  " * depth[node.name]
        first, last = node.first_step, node.first_step + node.steps
        table.add_row(
            f"{indent}{node.stage} {first}–{last}",
            f"{node.steps:,}",
            format_count(node.tokens),
            format_count(node.flops),
            _workers(node),
            memory_text(node),
            _state(node),
            escape(_recipes(node)),
        )
    console.print(table)
    print_memory(plan, console)
    print_plan_summary(plan, console)
    for sentence in _partial(plan):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if plan.disk is not None:
        console.print(disk_text(plan.disk), soft_wrap=True, highlight=False)
    for labels in _equal(plan.nodes):
        text = f"The same training, and so equal rows in the results: {'; '.join(labels)}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if not prepared:
        console.print("Corpora are not prepared yet: their sizes are not checked.")


def print_plan_summary(plan: Plan, console: Console) -> None:
    """Print the model's size, tokens, FLOPs, and the steps that are shared and left to train."""
    model = f"{_parameters(plan)}; " if plan.parameters else ""
    saved = 1 - plan.steps / plan.steps_alone
    console.print(
        f"{model}{format_count(plan.tokens)} tokens, {format_count(plan.flops)} FLOPs. "
        f"{plan.steps:,} steps trained where the recipes alone would take {plan.steps_alone:,} "
        f"({saved:.0%} shared); {plan.steps_left:,} left to train. "
        f"Computed in {plan.precision}.",
        soft_wrap=True,
    )


def _partial(plan: Plan) -> list[str]:
    """A sentence for each way in which a stage trains a part of the weights, or weighs its loss."""
    found = {}
    for node in plan.nodes:
        if node.trains != "all":
            trained = f": {node.trained_parameters:,} parameters" if node.trained_parameters else ""
            tied = f"; {node.tied}" if node.tied else ""
            found[node.stage, node.trains] = f"{node.stage} trains {node.trains}{trained}{tied}."
    weighed = {f"{n.stage}: {n.loss_weights}." for n in plan.nodes if n.loss_weights}
    return [*found.values(), *sorted(weighed)]


def disk_text(disk: DiskUse) -> str:
    """The bytes of states at the end and on the way, and what another `keep` would leave."""
    text = f"States: {format_bytes(disk.at_end)} at the end"
    if disk.with_all != disk.at_end:
        text += f" ({format_bytes(disk.with_all)} with `execution.keep: all`)"
    elif disk.with_weights != disk.at_end:
        text += f" ({format_bytes(disk.with_weights)} with `execution.keep: weights`)"
    text += f", {format_bytes(disk.there)} of it there"
    if disk.meanwhile:
        text += f"; up to {format_bytes(disk.meanwhile)} more for each node under way"
    return f"{text}."


def _equal(nodes: Sequence[NodePlan]) -> list[list[str]]:
    """Labels of recipes that go through the very same nodes, two or more in each group."""
    along: dict[str, list[str]] = {}
    for node in nodes:
        for label in node.recipes:
            along.setdefault(label, []).append(node.name)
    groups: dict[tuple[str, ...], list[str]] = {}
    for label, names in along.items():
        groups.setdefault(tuple(names), []).append(label)
    return [labels for labels in groups.values() if len(labels) > 1]


def _parameters(plan: Plan) -> str:
    text = f"{plan.parameters:,} parameters"
    if plan.active_parameters != plan.parameters:
        text += f", {plan.active_parameters:,} of them for each token"
    if plan.trained_parameters != plan.parameters:
        text += f", {plan.trained_parameters:,} trained: no gradient reaches the others"
    return text


def _depth_first(nodes: Sequence[NodePlan]) -> list[NodePlan]:
    """The nodes with each one's children right after it, as an indented tree needs them."""
    children: dict[str | None, list[NodePlan]] = {}
    for node in nodes:
        children.setdefault(node.parent, []).append(node)
    ordered: list[NodePlan] = []
    # A stack takes from its end, so children go in reversed to come out in their order.
    pending = list(reversed(children.get(None, [])))
    while pending:
        node = pending.pop()
        ordered.append(node)
        pending.extend(reversed(children.get(node.name, [])))
    return ordered


def _state(node: NodePlan) -> str:
    if node.exists:
        return "there"
    return f"{node.done:,} steps there" if node.done else "to train"


def _recipes(node: NodePlan) -> str:
    shown = "; ".join(node.recipes[:2])
    return shown if len(node.recipes) <= 2 else f"{shown}; {len(node.recipes) - 2} more"


def _workers(node: NodePlan) -> str:
    fewest, most = node.fewest_workers, node.workers
    return str(most) if fewest == most else f"{fewest}–{most}"


def step_lines(chain: Chain, stage: str, first: int, last: int | None) -> list[dict[str, Any]]:
    """A line for each step of a stage: its learning rate, and rows and first row of each corpus.

    Steps `first` (included) to `last` (not included) count from the stage's first step. Raises
    InputError where the stage is unknown or has no such steps.
    """
    names = [entry.name for entry in chain.stages]
    if stage not in names:
        raise InputError(f"--stage {stage!r}", "no such stage", f"Stages: {', '.join(names)}")
    index, count = names.index(stage), names.count(stage)
    # A stage whose fields change inside it has several parts.
    parts = chain.stages[index : index + count]
    start, length = chain.starts[index], sum(part.steps for part in parts)
    stop = length if last is None else min(last, length)
    if not 0 <= first < stop:
        raise InputError(f"--from {first} --to {last}", "no steps", f"The stage has 0 … {length}")
    corpora = list(dict.fromkeys(s.corpus for part in parts for s in part.mixture.sources))
    rates = chain.learning_rates(start + first, start + stop)
    return [
        {"step": step, "learning_rate": float(rate), **_row_columns(chain, start + step, corpora)}
        for step, rate in zip(range(first, stop), rates, strict=True)
    ]


def stage_trains(chain: Chain, stage: str) -> str | None:
    """What a stage trains, for people; None where it is every weight."""
    trains = next(entry.trains for entry in chain.stages if entry.name == stage)
    return None if trains.everything else trains.text


def stage_loss_weights(chain: Chain, stage: str) -> str:
    """How much tokens count in a stage's loss, for people; empty where all count alike."""
    texts = (entry.loss_weights_text for entry in chain.stages if entry.name == stage)
    return "; then ".join(dict.fromkeys(filter(None, texts)))


def _row_columns(chain: Chain, step: int, corpora: Sequence[str]) -> dict[str, Any]:
    """Rows and first row of each corpus in a step.

    A step may read several runs of rows from a corpus. Each is then shown as first row + number of
    rows, such as `0+3 96+2`.
    """
    columns: dict[str, Any] = {}
    runs = chain.rows(step)
    for corpus in corpora:
        own = [run for run in runs if run.corpus == corpus]
        columns[f"{corpus} rows"] = sum(run.count for run in own)
        columns[f"{corpus} first"] = " ".join(
            str(run.first) if len(own) == 1 else f"{run.first}+{run.count}" for run in own
        )
    return columns


def print_steps(lines: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the lines of `step_lines` as a table."""
    table = Table(*lines[0], box=None, pad_edge=False)
    for line in lines:
        table.add_row(*map(_cell, line.values()))
    console.print(table)


def _cell(value: Any) -> str:
    """A value of a line; of many runs of rows, as later epochs have them, the first alone."""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    runs = text.split()
    hidden = len(runs) - _MOST_RUNS
    return f"{' '.join(runs[:_MOST_RUNS])} … {hidden} more" if hidden > 1 else text


def print_merges(merges: Sequence[PlannedMerge], plan: Plan, console: Console) -> None:
    """Print how many merged states a sweep adds, and their bytes in float32."""
    if not merges:
        return
    count = len({merge.name for merge in merges})
    size = f", {format_bytes(4 * plan.parameters * count)}" if plan.parameters else ""
    console.print(f"{len(merges)} merges after the training: {count} states{size} more.")


def print_merge_search(sweep: PlannedSweep, plan: Plan, console: Console) -> None:
    """Print what a merge search trains and measures; its best merge alone becomes a state."""
    search = sweep.merge_search
    if search is None:
        return
    recipe = sweep.definition.recipe
    rows = recipe.counted_validation.rows
    each = sum(min(rows, facts.validation_rows) for facts in sweep.facts.values())
    measured = search.settings.trials * each * recipe.sequence_length
    size = f", {format_bytes(4 * plan.parameters)}" if plan.parameters else ""
    console.print(
        f"Merge search: {len(search.recipes)} models of one corpus each, {search.steps} steps "
        f"together; {search.settings.trials} merges are measured on {format_count(measured)} "
        f"tokens in all, and the best one becomes a state{size}."
    )
