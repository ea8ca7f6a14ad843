"""Predicts a step's time on many GPUs from compute, volumes of exchange and rates of links.

Volumes are those of ZeRO stage 3 (Rajbhandari et al. 2020) as FSDP2 makes them: with s shards, a
worker receives (s − 1) / s of the weights in bfloat16 for each forward and each backward pass, and
sends as much of the gradients in float32 after each backward pass. With r replicas the shards of
gradients are all-reduced once a step: 2 (r − 1) / r of them. Tensor parallelism (Shoeybi et al.
2019) all-reduces the residual stream twice in a layer's forward pass and twice in its backward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from raycl.plan.layout import Layout, keeps_gathered


@dataclass(frozen=True)
class Machine:
    """GPUs and the links between them. The defaults are published rates of H100 machines."""

    gpus_per_host: int = 8
    peak_flops: float = 989e12
    """Dense bfloat16 (NVIDIA's data sheet of the H100 SXM)."""
    memory: float = 80e9
    inside: float = 450e9
    """Bytes a second from one GPU to the others of its host: NVLink 4, 900 GB/s both ways."""
    outside: float = 50e9
    """Bytes a second of a GPU's own network card: 400 Gb/s; 3,200 Gb/s a host, as AWS p5 has."""
    reached: float = 0.8
    """The share of a link's rate that a large exchange reaches; an assumption."""
    hop_inside: float = 3.4e-6
    hop_outside: float = 14e-6
    """Seconds for a hop of a ring: the constants of NCCL's own cost model (src/graph/tuning.cc)."""


@dataclass(frozen=True)
class Work:
    """A model and the batch that a step trains it on."""

    parameters: int
    layers: int
    hidden: int
    heads: int
    """Attention heads that tensor parallelism divides: those of the keys, where they are fewer."""
    flops_per_token: float
    sequence_length: int
    global_batch: int
    """Rows."""


@dataclass(frozen=True)
class Prediction:
    """A step's time in seconds, and what it is made of."""

    step: float
    compute: float
    """Of the worker with most rows."""
    exchange: float
    """Of the step, what no computation hides."""
    efficiency: float
    """Against GPUs that share the work equally and exchange nothing."""


RECOMPUTED = {"none": 1.0, "selective": 1.05, "full": 4 / 3}
"""Compute by checkpointing policy: a second forward pass is a third more. Selective repeats what is
no product; its 5 % are an assumption."""


def predict(
    work: Work, layout: Layout, machine: Machine, mfu: float, micro_batch: int, policy: str = "none"
) -> Prediction:
    """A step's time at a share `mfu` of the GPUs' peak, had one GPU all its rows.

    A unit's gather overlaps the computation of the one before, forward and backward; reductions
    overlap the backward pass. The first gather and the last reduction of a step overlap nothing,
    nor does what tensor parallelism exchanges. Kernels are taken to be as fast with few rows.
    """
    rows = math.ceil(work.global_batch / layout.readers)
    pieces = math.ceil(rows / micro_batch)
    rate = machine.peak_flops * mfu * layout.tensor
    a_row = work.flops_per_token * work.sequence_length / rate
    compute = rows * a_row * RECOMPUTED[policy]
    sizes = _exchanges(work, layout, machine)
    gathers = 1 if keeps_gathered(layout, 2 * work.parameters / layout.tensor) else pieces
    forward = compute / (3 * pieces) if policy == "none" else compute / (4 * pieces)
    backward = compute / pieces - forward
    hidden_gathers = gathers * (max(forward, sizes.gather) + max(backward, sizes.both))
    others = (pieces - gathers) * (forward + max(backward, sizes.reduce))
    last = max(0.0, sizes.all_reduce - max(0.0, backward - sizes.both))
    tensor = rows * sizes.of_a_row * (1.5 if policy == "full" else 1.0)
    step = hidden_gathers + others + last + sizes.first + tensor
    even = work.global_batch * work.flops_per_token * work.sequence_length
    ideal = even / (machine.peak_flops * mfu * layout.workers)
    return Prediction(step, compute, step - compute, ideal / step)


@dataclass(frozen=True)
class _Exchanges:
    """Seconds of the exchanges of one micro-batch, and of the step's all-reduce."""

    gather: float
    reduce: float
    all_reduce: float
    first: float
    """The first unit's gather and the last one's reduction."""
    of_a_row: float
    """Tensor-parallel all-reduces of one row."""

    @property
    def both(self) -> float:
        """A gather and a reduction, which share the links in a backward pass."""
        return self.gather + self.reduce


def _exchanges(work: Work, layout: Layout, machine: Machine) -> _Exchanges:
    units = work.layers + 2
    held = work.parameters / layout.tensor
    shards = _ring(machine, layout.shard, layout.tensor)
    gather = shards.seconds(2 * held, units)
    reduce = shards.seconds(4 * held, units)
    copies = _ring(machine, layout.replicate, layout.shard * layout.tensor)
    peers = _ring(machine, layout.tensor, 1)
    stream = 2 * work.sequence_length * work.hidden
    return _Exchanges(
        gather=gather,
        reduce=reduce,
        all_reduce=2 * copies.seconds(4 * held / layout.shard, units),
        first=(gather + reduce) / units,
        of_a_row=4 * work.layers * 2 * peers.seconds(stream, 1),
    )


@dataclass(frozen=True)
class _Ring:
    """A ring of `members` workers: what one of them can receive, and the time of all its hops."""

    members: int
    rate: float
    hops: float

    def seconds(self, size: float, exchanges: int) -> float:
        """Time until each member has all of `size` bytes, in so many exchanges."""
        if self.members == 1:
            return 0.0
        return size * (self.members - 1) / self.members / self.rate + exchanges * self.hops


def _ring(machine: Machine, members: int, apart: int) -> _Ring:
    """The ring of workers whose ranks are `apart` apart; ranks fill one host after another.

    Where several members are on a host, their ring leaves it through the cards of all of them.
    """
    here = min(members, max(1, machine.gpus_per_host // apart))
    hosts = math.ceil(members / here)
    rate = machine.inside if hosts == 1 else min(machine.inside, here * machine.outside)
    outside = hosts if hosts > 1 else 0
    hops = (members - 1 - max(0, outside - 1)) * machine.hop_inside
    hops += max(0, outside - 1) * machine.hop_outside
    return _Ring(members, rate * machine.reached, hops)
