"""How many rows a worker computes at a time, where the recipe leaves it open.

The number follows from the model and from the memory of the machine, never from what is free at the
moment: two trainings on one machine take the same and end in the same bits.
"""

from __future__ import annotations

import torch

from raycl.cluster.memory import worker_memory
from raycl.errors import InputError
from raycl.models.configuration import is_plain
from raycl.plan.documents import WITHIN
from raycl.plan.execution import Device
from raycl.plan.fit import fit, usable
from raycl.plan.memory import CHECKPOINTING, Checkpointing, Computation, MemoryFacts
from raycl.plan.memory_forms import memory_facts
from raycl.plan.model_facts import facts_key
from raycl.plan.planned_memory import written_by
from raycl.plan.shares import even_rows
from raycl.plan.trained import ALL, Trains
from raycl.plan.training import ModelSpec, Training
from raycl.states.mark import StateMark
from raycl.train.inspection.memory_facts import count_memory
from raycl.train.model.architecture import hugging_face_config
from raycl.train.parallel.precision import precision_name
from raycl.train.parallel.world import World


class MicroBatch:
    """The rows of a forward pass; they become fewer where the device has no room for them."""

    def __init__(self, rows: int, checkpointing: Checkpointing, given: bool) -> None:
        self.rows = rows
        self.checkpointing = checkpointing
        self._given, self._halved = given, False

    def halve(self, error: torch.OutOfMemoryError, world: World) -> None:
        """Take half the rows from now on; raises InputError where that was done or cannot be.

        Several workers cannot repeat a step alone: the one that is out of memory has left the
        exchange in which the others wait.
        """
        if self._given or self._halved or self.rows == 1 or world.size > 1:
            raise InputError(
                f"execution.micro_batch {self.rows}",
                f"the device is out of memory ({str(error).splitlines()[0]})",
                _remedy(self.rows),
            ) from error
        self.rows, self._halved = -(-self.rows // 2), True


def _remedy(rows: int) -> str:
    if rows > 1:
        return f"Set execution.micro_batch: {rows // 2}, or activation_checkpointing: full"
    return "Set execution.activation_checkpointing: full, or take more workers or larger GPUs"


def choose_micro_batch(
    task: Training, share: int, world: World, dtype: torch.dtype, found: StateMark | None
) -> MicroBatch:
    """The recipe's rows, else those of the state that goes on, else what fits (collective).

    A state's are taken where it was trained by as many workers, so that sums are added in the same
    order. `share` are the most rows of a worker in a step. What fits is the least of all workers'.
    """
    fitting, checkpointing = max(world.gather(_fitting(task, share, world, dtype)), key=_needs)
    given = task.execution.micro_batch
    if given is not None:
        return MicroBatch(even_rows(share, min(given, share)), checkpointing, given=True)
    kept = found.validation if found is not None and found.world_size == world.size else None
    if kept is not None and kept.micro_batch <= fitting:
        return MicroBatch(kept.micro_batch, checkpointing, given=False)
    return MicroBatch(even_rows(share, fitting), checkpointing, given=False)


def _needs(fitting: tuple[int, Checkpointing]) -> tuple[int, int]:
    """How little memory a worker has: the one with least decides for all of them."""
    rows, checkpointing = fitting
    return CHECKPOINTING.index(checkpointing), -rows


def _fitting(
    task: Training, share: int, world: World, dtype: torch.dtype
) -> tuple[int, Checkpointing]:
    """The rows and the policy that fit by the estimate.

    All rows where the model could not be counted, and one row where nothing fits.
    """
    wanted = task.execution.activation_checkpointing
    policies = CHECKPOINTING if wanted == "auto" else (wanted,)
    facts = facts_of(task.model, task.sequence_length, task.trains)
    if facts is None:
        return share, policies[0]
    rows = share if task.execution.micro_batch is None else task.execution.micro_batch
    device: Device = "cuda" if world.device.type == "cuda" else "cpu"
    computation = Computation(
        rows=min(rows, share),
        micro_batch=min(rows, share),
        checkpointing=policies[0],
        precision=precision_name(dtype),
        device=device,
        attention=task.execution.attention,
        within_documents=task.documents == WITHIN,
        **written_by(task, device),
    )
    found = fit(facts, world.layout, computation, room_of(world.device), policies)
    if found is None:
        return 1, policies[-1]
    return found.computation.micro_batch, found.computation.checkpointing


_FACTS: dict[str, MemoryFacts | None] = {}


def facts_of(model: ModelSpec, length: int, trains: Trains = ALL) -> MemoryFacts | None:
    """What the memory of a stage's training depends on; None where it cannot be counted."""
    key = facts_key(model, length, trains)
    if key not in _FACTS:
        _FACTS[key] = _counted(model, length, trains)
    return _FACTS[key]


def _counted(model: ModelSpec, length: int, trains: Trains) -> MemoryFacts | None:
    if not model.config:  # of a mark of an early version
        return None
    if is_plain(model.config) and trains.everything:
        try:
            return memory_facts(model.config, length)
        except (KeyError, ValueError, TypeError):
            pass
    return count_memory(hugging_face_config(model.config), (), length, trains)


def room_of(device: torch.device) -> float:
    """Bytes that a step of one worker may take: of its GPU, or its CPU's part of the machine."""
    if device.type == "cuda":
        return usable(torch.cuda.get_device_properties(device).total_memory)
    return worker_memory()
