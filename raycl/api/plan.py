"""What a sweep will train and what it will cost, for a program."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from raycl.api.prices import PricesLike, prices_of_any
from raycl.api.recipe import RecipeLike, definition_of_any
from raycl.plan.machines import machine_of
from raycl.storage import Storage
from raycl.units import format_bytes, format_count, format_memory

_COSTS = [
    "kind",
    "left_hours",
    "left_dollars",
    "shortest_hours",
    "spot_dollars",
    "whole_hours",
    "whole_dollars",
    "shared_hours",
    "shared_dollars",
]

if TYPE_CHECKING:
    from raycl.plan.estimate import Bill, Estimate
    from raycl.sweep.preview import Preview


@dataclass(frozen=True, repr=False)
class Plan:
    """The plan of a sweep: its tree and its cost. Nothing was trained for it."""

    _preview: Preview
    _estimates: tuple[Estimate, ...] = ()

    @property
    def name(self) -> str:
        """The name of the sweep."""
        return self._preview.plan.sweeps[0].name

    @cached_property
    def nodes(self) -> pd.DataFrame:
        """One line for each node: a run of steps that recipes share, trained once.

        Columns: stage, recipes (a tuple of labels), first_step, steps, tokens, flops, workers,
        memory (bytes of the worker with most, 0 where unknown), done (steps that are stored),
        state (the name of its end) and parent (that of the node before).
        """
        lines = [
            {
                "stage": node.stage,
                "recipes": node.recipes,
                "first_step": node.first_step,
                "steps": node.steps,
                "tokens": node.tokens,
                "flops": node.flops,
                "workers": node.workers,
                "memory": node.memory_per_worker,
                "done": node.done,
                "state": node.name,
                "parent": node.parent,
            }
            for node in self._preview.plan.cost.nodes
        ]
        return pd.DataFrame(lines)

    @cached_property
    def recipes(self) -> pd.DataFrame:
        """One line for each recipe, with the swept fields.

        Columns: recipe (its label), kind (sweep, anneal or the name of a baseline), a column for
        each swept field, steps and tokens (all of its own, shared ones included), and state. With
        `seeds` in the recipe also setting (the label without its seed) and seed (from 0).
        """
        (planned,) = self._preview.plan.sweeps
        lines = []
        for variant in planned.definition.variants:
            chain = planned.trainings[variant.label].chain
            line: dict[str, Any] = {"recipe": variant.label, "kind": variant.kind}
            if variant.setting:
                line |= {"setting": variant.setting, "seed": variant.seed}
            line |= {field: str(value) for field, value in variant.fields.items()}
            line |= {"steps": chain.steps, "tokens": chain.steps * chain.tokens_per_step}
            lines.append({**line, "state": chain.name(chain.steps)})
        return pd.DataFrame(lines)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """One line for each kind of machine in the prices; none where no prices were given.

        Columns: kind; left_hours and left_dollars of what is left to train; shortest_hours, of its
        longest path; spot_dollars, of machines that may be taken back, with what interruptions add;
        whole_hours and whole_dollars of the whole tree; shared_hours and shared_dollars, which
        sharing saves. Hours are those of one worker, but for shortest_hours. NaN: not known.
        """
        lines = [
            {
                "kind": one.kind,
                **_bill("left", one.left),
                "shortest_hours": math.nan if one.hours is None else one.hours,
                "spot_dollars": one.spot.bill.dollars if one.spot else math.nan,
                **_bill("whole", one.whole),
                **_bill("shared", one.shared),
            }
            for one in self._estimates
        ]
        return pd.DataFrame(lines, columns=_COSTS)

    @property
    def parameters(self) -> int | None:
        """Parameters of the model; None where they are not known."""
        return self._preview.plan.cost.parameters

    @property
    def steps(self) -> int:
        """Steps of all nodes, each once."""
        return self._preview.plan.cost.steps

    @property
    def steps_left(self) -> int:
        """Those of them that the storage does not hold."""
        return self._preview.plan.cost.steps_left

    @property
    def tokens(self) -> int:
        """Tokens of all nodes, each once."""
        return self._preview.plan.cost.tokens

    @property
    def flops(self) -> float:
        """FLOPs of all nodes, each once; 0 where the model's are not known."""
        return self._preview.plan.cost.flops

    @property
    def memory(self) -> float:
        """Bytes of the worker that needs most; 0 where that is not known."""
        return max(node.memory_per_worker for node in self._preview.plan.cost.nodes)

    @property
    def disk(self) -> int | None:
        """Bytes of states at the end; None where that is not known."""
        use = self._preview.plan.cost.disk
        return None if use is None else int(use.at_end)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before it is run, a sentence each."""
        return (*self._preview.warnings, *self._preview.remarks)

    def _summary(self) -> str:
        parts = [f"{len(self.recipes)} recipes, {len(self.nodes)} nodes"]
        if self.parameters:
            parts.append(f"{format_count(self.parameters)} parameters")
        parts.append(f"{self.steps:,} steps ({self.steps_left:,} left)")
        parts.append(f"{format_count(self.tokens)} tokens, {format_count(self.flops)} FLOPs")
        if self.memory:
            parts.append(f"{format_memory(self.memory)} a worker")
        if self.disk is not None:
            parts.append(f"{format_bytes(self.disk)} of states")
        return "; ".join(parts)

    def _shown(self) -> pd.DataFrame:
        """The nodes as people read them."""
        nodes = self.nodes
        return pd.DataFrame(
            {
                "stage": nodes["stage"],
                "steps": nodes["steps"],
                "tokens": nodes["tokens"].map(format_count),
                "left": nodes["steps"] - nodes["done"],
                "workers": nodes["workers"],
                "recipes": nodes["recipes"].map("; ".join),
            }
        )

    def __repr__(self) -> str:
        table = self._shown().to_string(index=False, max_colwidth=50)
        return f"Plan of {self.name}: {self._summary()}\n{table}"

    def _repr_html_(self) -> str:
        head = f"<p><b>Plan of {escape(self.name)}</b>: {escape(self._summary())}</p>"
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return head + self._shown().to_html(index=False, max_rows=60) + notes


def plan(  # noqa: PLR0913 (each is an option of `raycl plan`)
    recipe: RecipeLike,
    storage: str | Path | None = None,
    *,
    gpus: bool = False,
    gpu: str | None = None,
    prices: PricesLike | None = None,
    overrides: Mapping[str, Any] | None = None,
    scale: str | None = None,
) -> Plan:
    """The plan of a recipe, as `raycl plan` makes it: everything is checked, and nothing trained.

    `recipe` is a file, a packaged name, YAML or a mapping; `storage` shows what is there already;
    `gpus` plans for GPUs, `gpu` for a kind of them ("H100"); `prices` is a file of prices or what
    it holds, for `Plan.costs`; `overrides` are fields and their new values, {"german.replay":
    "5%"}; `scale` is "tiny" or a file. Raises raycl.InputError.
    """
    from raycl.search.study import Spent
    from raycl.sweep.preview import preview
    from raycl.sweep.priced_plan import priced_plan

    told = None if prices is None else prices_of_any(prices)
    machine = machine_of(gpu)
    place = Storage(str(storage)) if storage is not None else None
    definition = definition_of_any(recipe, overrides, scale)
    # Dollars of a search count from here on, where the plan is told prices.
    spent = None if told is None else lambda: Spent(0, 0.0)
    found = preview(definition, place, gpus or machine is not None, machine, spent)
    return Plan(found, tuple(priced_plan(found.plan, place, told)) if told is not None else ())


def _bill(name: str, bill: Bill | None) -> dict[str, float]:
    """Hours and dollars as columns."""
    hours, dollars = (bill.worker_hours, bill.dollars) if bill else (math.nan, math.nan)
    return {f"{name}_hours": hours, f"{name}_dollars": dollars}
