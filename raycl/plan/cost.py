"""Calculates what a sweep will train and what it will cost, before any cluster exists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from raycl.plan import presets
from raycl.plan.state_index import StateIndex
from raycl.plan.tree import Node, Tree

T = TypeVar("T")


@dataclass(frozen=True)
class NodePlan:
    """One node of the tree and what its training costs."""

    name: str
    parent: str | None
    stage: str
    recipes: tuple[str, ...]
    first_step: int
    steps: int
    tokens: int
    flops: float
    workers: int
    fewest_workers: int
    memory_per_worker: float
    """Bytes for weights, gradients, AdamW state and logits; activations come on top."""
    done: int
    """How many of the node's first steps storage holds; `steps` where its end state is stored."""

    @property
    def exists(self) -> bool:
        """Whether the node's end state is in storage."""
        return self.done == self.steps


@dataclass(frozen=True)
class Plan:
    """A sweep in numbers."""

    parameters: int | None
    """None where no closed form counts them: for a checkpoint, or another model type."""
    # Counting them would then need the model itself, which a plan does not build.
    steps: int
    steps_alone: int
    tokens: int
    flops: float
    nodes: tuple[NodePlan, ...]
    precision: str = "float32"
    """What steps are computed in; both names where recipes differ."""

    @property
    def steps_left(self) -> int:
        """Steps that storage does not hold yet."""
        return sum(node.steps - node.done for node in self.nodes)


def make_plan(tree: Tree, existing: Collection[str]) -> Plan:
    """The plan of a tree; `existing` names the states that storage holds."""
    stored = StateIndex(existing)
    nodes = tuple(_node_plan(node, stored) for node in tree.nodes)
    config = tree.nodes[0].training.model.config
    return Plan(
        parameters=_closed_form(presets.parameter_count, config),
        steps=tree.steps,
        steps_alone=tree.steps_alone,
        tokens=sum(node.tokens for node in nodes),
        flops=sum(node.flops for node in nodes),
        nodes=nodes,
        precision=" and ".join(sorted({n.training.execution.precision for n in tree.nodes})),
    )


def _done(node: Node, stored: StateIndex) -> int:
    """How many steps of the node come before its deepest stored state.

    The state may be another sweep's: states are named by their content.
    """
    start, stop = node.training.start, node.training.stop
    deepest = next(stored.along(node.training.chain, stop, above=start), None)
    return deepest[0] - start if deepest else 0


def _node_plan(node: Node, stored: StateIndex) -> NodePlan:
    training = node.training
    tokens = node.steps * training.chain.tokens_per_step
    config = training.model.config
    length = training.sequence_length
    per_token = _closed_form(lambda c: presets.flops_per_token(c, length), config) or 0.0
    return NodePlan(
        name=node.name,
        parent=node.parent,
        stage=training.stage,
        recipes=node.recipes,
        first_step=training.start,
        steps=node.steps,
        tokens=tokens,
        flops=per_token * tokens,
        workers=training.workers,
        fewest_workers=training.fewest_workers or training.workers,
        memory_per_worker=_memory(config, node),
        done=_done(node, stored),
    )


def _closed_form(count: Callable[[Mapping[str, Any]], T], config: Mapping[str, Any]) -> T | None:
    """The result of `count` for a configuration; None where `count` has no closed form for it.

    It has none for other model types, and where a configuration leaves sizes to the model class.
    """
    try:
        return count(config)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return None


def _memory(config: Mapping[str, Any], node: Node) -> float:
    """Bytes of one worker: its shard of weights, gradients and both AdamW moments, and its logits.

    A parameter takes 16 bytes: four float32 numbers. Logits and their gradient are not sharded.
    """
    parameters = _closed_form(presets.parameter_count, config)
    if parameters is None:
        return 0.0
    training = node.training
    # With the fewest workers, each of them has the most to hold.
    workers = training.fewest_workers or training.workers
    share = training.chain.global_batch // workers
    rows = training.execution.micro_batch or share
    # Four bytes for each logit, and as many for its gradient.
    logits = rows * training.sequence_length * int(config["vocab_size"]) * 4 * 2
    return 16 * parameters / workers + logits
