"""The memory that a worker needs for a step: what it holds, by part, in closed form.

A worker's parameters, gradients and AdamW's moments are float32 and divided among the workers that
`Layout.shard` and `Layout.tensor` count. FSDP gathers a unit of parameters (the embedding, each
block, the head with the last norm) in the type of the computation before the unit computes, and the
next one ahead; see "PyTorch FSDP" (Zhao et al. 2023). Activations are what the backward pass reads
again: all that was computed (`none`), the products alone (`selective`), or the inputs of the blocks
(`full`), as in "Reducing Activation Recomputation in Large Transformer Models" (Korthikanti et al.
2022).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Literal

from raycl.plan.execution import Device
from raycl.plan.holding import Holding
from raycl.plan.layout import Layout, keeps_gathered

Computed = Literal["float32", "bfloat16"]
Checkpointing = Literal["none", "selective", "full"]
CHECKPOINTING: tuple[Checkpointing, ...] = ("none", "selective", "full")
"""Policies, those that compute least again first."""

CHUNK_TOKENS: Mapping[Device, int] = {"cpu": 512, "cuda": 8192}
"""Tokens whose logits the loss makes at a time."""


@dataclass(frozen=True)
class Activations:
    """Bytes that the forward pass of one row keeps for the backward pass."""

    outside: float
    """Outside the blocks: embeddings, the last norm, the inputs of the head."""
    blocks: float
    """In all blocks, where nothing is computed again."""
    selective: float
    """In all blocks, where products and attention are kept and the rest is computed again."""
    inputs: float
    """The inputs of all blocks."""
    largest: float
    """In the block that keeps most."""
    whole: float
    """Of `blocks`, what tensor parallelism leaves whole on each worker: the residual stream."""
    working: float
    """The largest tensor that a block keeps; the backward pass makes its gradient."""


@dataclass(frozen=True)
class MemoryFacts:
    """What the memory of a model's training depends on, counted on the model."""

    units: tuple[int, ...]
    """Parameters of each unit: the embedding, the blocks, the last norm with the head. A matrix
    that is embedding and head at once counts in the last."""
    frozen: int
    """Parameters that no gradient reaches."""
    hidden: int
    vocabulary: int
    sequence_length: int
    chunked: bool
    """Whether the loss makes the logits in chunks; else all logits of a micro-batch exist."""
    activations: Mapping[str, Activations]
    """By precision and attention, such as `bfloat16 sdpa`; see `activations_key`."""
    trained_units: tuple[int, ...] | None = None
    """The parameters of each unit that a stage trains; None: all that a gradient reaches."""
    head_trained: bool = True

    @property
    def parameters(self) -> int:
        """All parameters."""
        return sum(self.units)

    def of(self, precision: Computed, attention: str) -> Activations:
        """What a row keeps; flash attention keeps what sdpa does, and each has at least one."""
        fused = "eager" if attention == "eager" else "sdpa"
        key = activations_key(precision, fused)
        return self.activations.get(key) or self.activations[activations_key(precision, "eager")]


def activations_key(precision: Computed, attention: str) -> str:
    """The key of `MemoryFacts.activations`; `attention` is `sdpa` or `eager`."""
    return f"{precision} {attention}"


@dataclass(frozen=True)
class Computation:
    """How a worker computes its rows of a step."""

    rows: int
    """Rows of the worker in a step."""
    micro_batch: int
    """Rows in one forward pass."""
    checkpointing: Checkpointing = "none"
    precision: Computed = "float32"
    device: Device = "cpu"
    attention: str = "auto"
    within_documents: bool = False
    """Whether documents are kept apart, for which attention needs a mask unless it is `flash`."""
    saves_between: bool = False
    """Whether states are written while training goes on. It matters on a CPU alone, as does `end`,
    since the copy of what is written lies in the host's memory."""
    end: Holding = "all"
    """What the end state is written with."""

    @property
    def several(self) -> bool:
        """Whether a step has several forward passes, so that gradients exist during the later."""
        return self.micro_batch < self.rows

    @property
    def bytes_each(self) -> int:
        """Bytes of a number that is computed with."""
        return 2 if self.precision == "bfloat16" else 4


@dataclass(frozen=True)
class StepMemory:
    """Bytes of one worker at the moments of a step when it holds most, by part."""

    weights: float
    gradients: float
    moments: float
    gathered: float
    """Units in the type of the computation."""
    activations: float
    """Of one micro-batch."""
    logits: float
    """Logits with their gradient, and the gradients of the head and of its inputs."""
    exchange: float
    """Gradients in the type of the computation, and the float32 copy from which they are reduced,
    at the end of the backward pass."""
    working: float
    """What the backward pass of a block makes and forgets."""
    several: bool
    """Whether gradients of earlier micro-batches exist when activations are at their most."""

    @property
    def total(self) -> float:
        """The peak: at the head, or at the end of the backward pass.

        With one micro-batch, gradients come as activations go.
        """
        head = self.gathered + self.activations + self.logits
        if self.several:
            head += self.gradients + self.working
        end = self.gradients + self.exchange + self.working
        return self.weights + self.moments + max(head, end)

    def parts(self) -> dict[str, float]:
        """Bytes by part, without what only says when they are held."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "several"}


def step_memory(facts: MemoryFacts, layout: Layout, computation: Computation) -> StepMemory:
    """Bytes of the worker with most to hold, by part."""
    parts = layout.shard * layout.tensor
    parameters = facts.parameters
    trained = parameters - facts.frozen
    kept = facts.of(computation.precision, computation.attention)
    return StepMemory(
        weights=4 * parameters / parts,
        gradients=4 * trained / parts,
        moments=8 * trained / parts,
        gathered=_gathered(facts, layout, computation),
        activations=computation.micro_batch
        * (_kept(kept, computation.checkpointing, layout.tensor) + _mask(facts, computation)),
        logits=_logits(facts, computation),
        exchange=_exchange(facts, layout, computation),
        working=computation.micro_batch * 2 * kept.working / layout.tensor,
        several=computation.several,
    )


def _gathered(facts: MemoryFacts, layout: Layout, computation: Computation) -> float:
    """All units where weights stay gathered through a step, else the last and two others.

    The last unit, which is the first of the backward pass, is not freed between the two. FSDP2
    computes with a copy also where one worker holds all weights in the type of the computation
    (`FSDPParamGroup.wait_for_unshard`).
    """
    *others, last = (unit / layout.tensor for unit in facts.units)
    held = last + sum(others)
    if not keeps_gathered(layout, computation.bytes_each * held):
        held = last + max((a + b for a, b in itertools.pairwise(others)), default=sum(others))
    return computation.bytes_each * held


def _exchange(facts: MemoryFacts, layout: Layout, computation: Computation) -> float:
    """The largest unit's gradients with their float32 copy, and the last unit with its gradients.

    The gradients of the last unit are reduced when the backward pass has ended. A frozen weight has
    none.
    """
    *others, last = (unit / layout.tensor for unit in facts.trained_units or facts.units)
    each = computation.bytes_each
    return (each + 4) * max(others, default=0.0) + 2 * each * last


def _kept(kept: Activations, checkpointing: Checkpointing, tensor: int) -> float:
    """Bytes of one row; with tensor parallelism all but the residual stream is divided."""
    shared = kept.whole / kept.blocks if kept.blocks else 1.0
    factor = shared + (1 - shared) / tensor
    again = kept.largest * factor
    if checkpointing == "none":
        return kept.outside + kept.blocks * factor
    if checkpointing == "selective":
        return kept.outside + kept.selective * factor + again
    return kept.outside + kept.inputs + again


def _mask(facts: MemoryFacts, computation: Computation) -> float:
    """Bytes of one row's mask: a number for each pair of places, which all layers share.

    Models whose layers have windows of several kinds make one of each, and are counted with one.
    """
    if not computation.within_documents or computation.attention == "flash":
        return 0.0
    return float(computation.bytes_each * facts.sequence_length**2)


def _logits(facts: MemoryFacts, computation: Computation) -> float:
    """Float32 logits and their gradient, and where chunked the gradients that are formed at once.

    Without chunks under bfloat16, the logits exist in both types.
    """
    tokens = computation.micro_batch * facts.sequence_length
    if not facts.chunked:
        copies = 8 if computation.precision == "float32" else 10
        return float(tokens * facts.vocabulary * copies)
    chunk = min(tokens, CHUNK_TOKENS[computation.device])
    head = facts.vocabulary * facts.hidden * 4 if facts.head_trained else 0
    return float(chunk * facts.vocabulary * 8 + head + tokens * facts.hidden * 4)


def state_memory(facts: MemoryFacts, layout: Layout, holds: Holding = "all") -> float:
    """Host bytes of a worker's share of a state while it is written, with both moments or not."""
    trained = facts.parameters - facts.frozen if holds == "all" else 0
    return (4 * facts.parameters + 8 * trained) / (layout.shard * layout.tensor)
