"""What a sweep will do and cost, calculated before any cluster exists."""

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
    """How many of its first steps storage holds; all of them where its end state is there."""

    @property
    def exists(self) -> bool:
        """Whether its end state is in storage."""
        return self.done == self.steps


@dataclass(frozen=True)
class Plan:
    """A sweep in numbers."""

    parameters: int | None
    """None where the model has to be built to count them: a checkpoint, or another model type."""
    steps: int
    steps_alone: int
    tokens: int
    flops: float
    nodes: tuple[NodePlan, ...]

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
    )


def _done(node: Node, stored: StateIndex) -> int:
    """Steps up to the deepest stored state inside the node, which another sweep may have left."""
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
    """What `count` says of a configuration; None where it has no closed form for it.

    That is another model type, or a configuration that leaves sizes to the model class.
    """
    try:
        return count(config)
    except (KeyError, ValueError):
        return None


def _memory(config: Mapping[str, Any], node: Node) -> float:
    """Bytes for a worker's shard of fp32 weights, gradients and both AdamW moments, and for logits.

    Logits and their gradient are not sharded.
    """
    parameters = _closed_form(presets.parameter_count, config)
    if parameters is None:
        return 0.0
    training = node.training
    workers = training.fewest_workers or training.workers  # when each of them has most to hold
    share = training.chain.global_batch // workers
    rows = training.execution.micro_batch or share
    logits = rows * training.sequence_length * int(config["vocab_size"]) * 4 * 2
    return 16 * parameters / workers + logits
