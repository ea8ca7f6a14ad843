"""What a sweep will train and what it will cost, for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from raycl.api.recipe import RecipeLike, definition_of_any
from raycl.plan.machines import machine_of
from raycl.storage import Storage
from raycl.units import format_bytes, format_count, format_memory

if TYPE_CHECKING:
    from raycl.sweep.preview import Preview


@dataclass(frozen=True, repr=False)
class Plan:
    """The plan of a sweep: its tree and its cost. Nothing was trained for it."""

    _preview: Preview

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
        each swept field, steps and tokens (all of its own, shared ones included), and state.
        """
        (planned,) = self._preview.plan.sweeps
        lines = []
        for variant in planned.definition.variants:
            chain = planned.trainings[variant.label].chain
            line: dict[str, Any] = {"recipe": variant.label, "kind": variant.kind}
            line |= {field: str(value) for field, value in variant.fields.items()}
            line |= {"steps": chain.steps, "tokens": chain.steps * chain.tokens_per_step}
            lines.append({**line, "state": chain.name(chain.steps)})
        return pd.DataFrame(lines)

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


def plan(
    recipe: RecipeLike,
    storage: str | Path | None = None,
    *,
    gpus: bool = False,
    gpu: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    scale: str | None = None,
) -> Plan:
    """The plan of a recipe, as `raycl plan` makes it: everything is checked, and nothing trained.

    `recipe` is a file, a packaged name, YAML or a mapping; `storage` shows what is there already;
    `gpus` plans for GPUs, `gpu` for a kind of them ("H100"); `overrides` are fields and their new
    values, {"german.replay": "5%"}; `scale` is "tiny" or a file. Raises raycl.InputError.
    """
    from raycl.sweep.preview import preview

    machine = machine_of(gpu)
    place = Storage(str(storage)) if storage is not None else None
    definition = definition_of_any(recipe, overrides, scale)
    return Plan(preview(definition, place, gpus or machine is not None, machine))
