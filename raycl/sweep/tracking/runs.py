"""The runs of a sweep's nodes: how trackers call them, and what they know of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from raycl.plan.tree import Node
from raycl.recipe.sweep_plan import SweepPlan
from raycl.recipe.variants import field_value
from raycl.sweep.recipe_growth import RecipeGrowth
from raycl.sweep.tracking.tracker import Run, Value

_LONGEST_LABEL = 60
_STATE_DIGITS = 6


@dataclass(frozen=True)
class RecipeFacts:
    """What a recipe adds to the runs of its nodes."""

    sweep: str
    label: str
    """Its label in its own sweep; in a tree of several sweeps recipes have longer ones."""
    fields: Mapping[str, Value]


class Runs:
    """The runs of nodes, of which more may come while a sweep is trained.

    `nodes()` and `recipes()` are asked anew where a node or a label is not known yet.
    """

    def __init__(
        self,
        nodes: Callable[[], Sequence[Node]],
        recipes: Callable[[], Mapping[str, RecipeFacts]],
    ) -> None:
        self._ask_nodes, self._ask_recipes = nodes, recipes
        self._nodes: dict[str, Node] = {}
        self._recipes: Mapping[str, RecipeFacts] = {}

    def of(self, name: str) -> Run | None:
        """The run of the node of this name; None where there is no such node."""
        node = self._node(name)
        if node is None:
            return None
        facts = [self._recipe(label) for label in node.recipes]
        first, training = facts[0], node.training
        parent = self._node(node.parent) if node.parent else None
        return Run(
            name=run_name(node, first.label),
            state=node.name,
            sweep=first.sweep,
            stage=training.stage,
            first_step=training.start,
            last_step=training.stop,
            recipes=tuple(each.label for each in facts),
            fields=_common([each.fields for each in facts]),
            parent=run_name(parent, self._recipe(parent.recipes[0]).label) if parent else "",
            parent_state=node.parent or "",
        )

    def _node(self, name: str) -> Node | None:
        if name not in self._nodes:
            self._nodes = {node.name: node for node in self._ask_nodes()}
        return self._nodes.get(name)

    def _recipe(self, label: str) -> RecipeFacts:
        if label not in self._recipes:
            self._recipes = self._ask_recipes()
        return self._recipes.get(label) or RecipeFacts("", label, {})


def runs_of(plan: SweepPlan, growth: RecipeGrowth | None = None) -> Runs:
    """The runs of a plan's nodes, and of those by which its tree grows."""

    def nodes() -> Sequence[Node]:
        return growth.tree.nodes if growth else plan.tree.nodes

    def recipes() -> dict[str, RecipeFacts]:
        found = {}
        for sweep in plan.sweeps:
            definition = growth.definition if growth else sweep.definition
            for variant in definition.variants:
                values = {name: field_value(variant.recipe, name) for name in variant.fields}
                known = {name: value for name, value in values.items() if value is not None}
                label = plan.tree_label(sweep, variant.label)
                found[label] = RecipeFacts(sweep.name, variant.label, known)
        return found

    return Runs(nodes, recipes)


def run_name(node: Node, label: str) -> str:
    """Stage, steps and recipes, and the end of the state's name: `german-100-200-replay-5pct.1a2b`.

    `label` is that of the node's first recipe.
    """
    training = node.training
    whose = _in_a_file_name(label)[:_LONGEST_LABEL].rstrip("-")
    others = f"-and-{len(node.recipes) - 1}-more" if len(node.recipes) > 1 else ""
    stage = _in_a_file_name(training.stage) or "stage"
    digits = node.name.rsplit("-", 1)[-1][:_STATE_DIGITS]
    return f"{stage}-{training.start}-{training.stop}-{whose}{others}.{digits}"


def _in_a_file_name(text: str) -> str:
    """The text in letters, digits, '.', '_', '=', '+' and '-'; 5% is 5pct."""
    return re.sub(r"[^\w.=+-]+", "-", text.replace("%", "pct")).strip("-.")


def _common(fields: Sequence[Mapping[str, Value]]) -> dict[str, Value]:
    first, others = fields[0], fields[1:]
    return {
        name: value
        for name, value in first.items()
        if all(other.get(name) == value for other in others)
    }
