"""Calculates what a sweep will train and what it will cost, before any cluster exists."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from raycl.plan import presets
from raycl.plan.disk import DiskUse, StateNumbers, all_use, disk_use
from raycl.plan.fit import Fit
from raycl.plan.holding import Holding
from raycl.plan.memory import MemoryFacts
from raycl.plan.memory_forms import memory_facts
from raycl.plan.model_facts import ModelFacts, facts_key
from raycl.plan.planned_memory import Place, check_host, check_room, planned
from raycl.plan.scaling import Machine, Work
from raycl.plan.stored import StoredTree
from raycl.plan.trained import ALL, Trains
from raycl.plan.training import ModelSpec
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
    """Bytes that the worker with most holds at the peak of a step; 0 where it is not known."""
    done: int
    """How many of the node's first steps storage holds; `steps` where its end state is stored."""
    fit: Fit | None = None
    """How that worker computes its rows, and what it holds, by part."""
    is_least: bool = False
    """Whether the memory is that of one row at a time, and training takes as many as fit."""
    trains: str = "all"
    """What its stage trains, for people."""
    trained_parameters: int | None = None
    """How many parameters that is; None where it is not known."""
    tied: str = ""
    """A sentence where a part is trained of a model whose head is the embedding."""
    loss_weights: str = ""
    """How much the tokens of corpora count in its loss, for people; empty where all count alike."""

    @property
    def exists(self) -> bool:
        """Whether the node's end state is in storage."""
        return self.done == self.steps


@dataclass(frozen=True)
class Plan:
    """A sweep in numbers."""

    parameters: int | None
    """None where no closed form counts them, and the model was not looked into."""
    trained_parameters: int | None
    """Those that a gradient reaches."""
    active_parameters: int | None
    """Those that one token uses; fewer than all where the model has experts."""
    steps: int
    steps_alone: int
    tokens: int
    flops: float
    nodes: tuple[NodePlan, ...]
    precision: str = "float32"
    """What steps are computed in; both names where recipes differ."""
    room: float | None = None
    """Bytes that a step of one worker may take, where that is known."""
    disk: DiskUse | None = None
    """Bytes of states in the storage; None where a model's size is not known."""

    @property
    def steps_left(self) -> int:
        """Steps that storage does not hold yet."""
        return sum(node.steps - node.done for node in self.nodes)


def make_plan(
    tree: Tree,
    existing: Collection[str],
    models: Mapping[str, ModelFacts] | None = None,
    place: Place | None = None,
    holdings: Mapping[str, Holding] | None = None,
) -> Plan:
    """The plan of a tree; `existing` names the states that storage holds.

    `holdings` says what those hold that do not hold all of their training.

    `models` are the facts of models that were looked into, by `facts_key`. Presets need none.
    `place` is what the workers train on; without it CPUs, whose memory is not known.
    """
    stored = StoredTree(tree, existing, holdings)
    sizes = _Sizes(models or {})
    place = place or Place()
    nodes = tuple(_node_plan(node, stored, sizes.of(node), place) for node in tree.nodes)
    size = sizes.whole(tree.nodes[0])
    return Plan(
        parameters=size.parameters if size else None,
        trained_parameters=size.trained if size else None,
        active_parameters=size.active if size else None,
        steps=tree.steps,
        steps_alone=tree.steps_alone,
        tokens=sum(node.tokens for node in nodes),
        flops=sum(node.flops for node in nodes),
        nodes=nodes,
        precision=" and ".join(sorted({n.training.execution.precision for n in tree.nodes})),
        room=place.room,
        disk=_disk(tree, stored, sizes),
    )


def _disk(tree: Tree, stored: StoredTree, sizes: _Sizes) -> DiskUse | None:
    found = [(node, sizes.numbers(node)) for node in tree.nodes]
    carried = tree.carried
    uses = [
        disk_use(node.training, node.name in carried, node.name in stored.finished, numbers)
        for node, numbers in found
        if numbers is not None
    ]
    return all_use(uses) if len(uses) == len(found) else None


@dataclass(frozen=True)
class _Size:
    """The numbers of a model on which costs depend."""

    parameters: int
    trained: int
    active: int
    flops_per_token: float
    memory: MemoryFacts | None
    tied: str = ""


class _Sizes:
    """The size of each node's model. Nodes of one recipe share their model, so it is kept."""

    def __init__(self, models: Mapping[str, ModelFacts]) -> None:
        self._models = models
        self._known: dict[tuple[int, int, Trains], _Size | None] = {}

    def of(self, node: Node) -> _Size | None:
        """The size of the node's model, and of what it trains; None where it is not known."""
        return self._sized(node, node.training.trains)

    def whole(self, node: Node) -> _Size | None:
        """The size of the node's model where all of it is trained; None where it is not known."""
        return self._sized(node, ALL)

    def numbers(self, node: Node) -> StateNumbers | None:
        """The numbers in a state of the node; None where they are not known."""
        size = self.of(node)
        return None if size is None else StateNumbers(size.parameters, size.trained)

    def _sized(self, node: Node, trains: Trains) -> _Size | None:
        model, length = node.training.model, node.training.sequence_length
        key = id(model), length, trains
        if key not in self._known:
            self._known[key] = self._count(length, model, trains)
        return self._known[key]

    def _count(self, length: int, model: ModelSpec, trains: Trains) -> _Size | None:
        facts = self._models.get(facts_key(model, length, trains)) if self._models else None
        if facts is not None:
            return _Size(
                facts.parameters,
                facts.trained,
                facts.active,
                facts.flops_per_token,
                facts.memory,
                facts.tied,
            )
        if not trains.everything:
            return None
        config = model.config
        count = _closed_form(presets.parameter_count, config)
        flops = _closed_form(lambda c: presets.flops_per_token(c, length), config)
        if count is None or flops is None:
            return None
        memory = _closed_form(lambda c: memory_facts(c, length), config)
        return _Size(count, count, count, flops, memory)


def _node_plan(node: Node, stored: StoredTree, size: _Size | None, place: Place) -> NodePlan:
    training = node.training
    fit = planned(training, size.memory, place) if size and size.memory else None
    tokens = node.steps * training.chain.tokens_per_step
    return NodePlan(
        name=node.name,
        parent=node.parent,
        stage=training.stage,
        recipes=node.recipes,
        first_step=training.start,
        steps=node.steps,
        tokens=tokens,
        flops=size.flops_per_token * tokens if size else 0.0,
        workers=training.workers,
        fewest_workers=training.fewest_workers or training.workers,
        memory_per_worker=fit.memory.total if fit else 0.0,
        done=stored.done(node),
        fit=fit,
        is_least=place.room is None and training.execution.micro_batch is None,
        trains=training.trains.text,
        trained_parameters=size.trained if size else None,
        tied=size.tied if size else "",
        loss_weights=training.chain.stages[
            training.chain.stage_index(training.start)
        ].loss_weights_text,
    )


def _closed_form(count: Callable[[Mapping[str, Any]], T], config: Mapping[str, Any]) -> T | None:
    """The result of `count` for a configuration; None where `count` has no closed form for it.

    It has none for other model types, and where a configuration leaves sizes to the model class.
    """
    try:
        return count(config)
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return None


def memory_per_worker(node: Node, models: Mapping[str, ModelFacts] | None = None) -> float:
    """Bytes that one worker of the node holds; 0 where the size of its model is not known."""
    size = _Sizes(models or {}).of(node)
    if size is None or size.memory is None:
        return 0.0
    return planned(node.training, size.memory, Place()).memory.total


def check_nodes(
    nodes: Iterable[Node], models: Mapping[str, ModelFacts] | None, machine: Machine, where: str
) -> None:
    """Raise InputError where a node's workers need more memory than the machine's GPUs have."""
    sizes = _Sizes(models or {})
    for node in nodes:
        size = sizes.of(node)
        work = work_of(node, models)
        if size is not None and size.memory is not None and work is not None:
            check_room(node.training, size.memory, work, machine, where)


def check_machine(
    nodes: Iterable[Node], models: Mapping[str, ModelFacts] | None, memory: float, where: str
) -> None:
    """Raise InputError where a node's workers need more than the memory of one machine."""
    sizes = _Sizes(models or {})
    for node in nodes:
        size = sizes.of(node)
        if size is not None and size.memory is not None:
            check_host(node.training, size.memory, memory, where)


def work_of(node: Node, models: Mapping[str, ModelFacts] | None = None) -> Work | None:
    """The node's model and batch, for predictions; None where they are not known."""
    size = _Sizes(models or {}).of(node)
    if size is None or size.memory is None:
        return None
    return Work(
        parameters=size.parameters,
        layers=len(size.memory.units) - 2,
        hidden=size.memory.hidden,
        heads=_heads(node.training.model.config),
        flops_per_token=size.flops_per_token,
        sequence_length=node.training.sequence_length,
        global_batch=node.training.chain.global_batch,
    )


def _heads(config: Mapping[str, Any]) -> int:
    """Heads that tensor parallelism divides; 1 where none are known."""
    for name in ("num_key_value_heads", "num_attention_heads"):
        if isinstance(heads := config.get(name), int):
            return heads
    return 1
